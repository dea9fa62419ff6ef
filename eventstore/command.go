package eventstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/fault"
)

// The refusals of the store itself.
var (
	ErrBusy            = fault.New(fault.Unavailable, "busy", "Too much is going on right now. Try again shortly.")
	ErrUnavailable     = fault.New(fault.Unavailable, "unavailable", "The database is not reachable right now. Try again shortly.")
	ErrVersionMismatch = fault.New(fault.Stale, "version_mismatch", "It has changed since you read it. Read it again.")
	ErrTooManyRebuilds = fault.New(fault.TooMany, "too_many_requests", "Too many old versions are being read right now. Try again shortly.")
	ErrKeyReused       = fault.New(fault.Invalid, "idempotency_key_reused", "This Idempotency-Key was used for another request.")
)

// ErrRehearsed is returned by the Decide of a command that would be accepted, and is sent only to learn that. Nothing is written.
var ErrRehearsed = errors.New("the command would be accepted")

// Command is a decision over streams, with an id that makes it idempotent.
type Command struct {
	ID          uuid.UUID // of its receipt; zero selects a new id
	Fingerprint []byte    // of the request; the same id with another fingerprint is refused (ErrKeyReused)
	Meta        Meta      // actor and correlation of its events
	Subject     string    // whose request it is: the queue is fair over subjects. Empty for the program's own work
	Operator    bool      // the subject is an operator
	Named       any       // names the command in traces: a string, or a value with the type of the command; may be nil
	Streams     []Ref     // streams that it may change; they are locked. The receipt names the first
	Note        Note      // a text that a person wrote; its events hold the reference
	Harmless    bool      // it has no receipt: repeated, it changes nothing, since its decision on the state that it left appends no event
	Reads       []Ref     // streams that it reads, as committed at the decision; they are not locked
	// Decide is pure and may run more than once. An error refuses the command, and nothing is written.
	Decide func(*Tx) error
}

// Receipt is the result of a command.
type Receipt struct {
	Stream   uuid.UUID
	Version  int64 // of Stream, after the command
	Status   int   // the argument of Tx.SetStatus; 0 if it was not called
	Replayed bool  // the command was done before; this is its original receipt

	fingerprint []byte
	after       streamView
}

// Tx is the view of a command on the batch that runs it.
type Tx struct {
	now      time.Time
	meta     Meta
	command  uuid.UUID
	streams  map[uuid.UUID]*batchStream
	touched  []*batchStream
	events   []newEvent
	extraSQL []statement
	status   int
	earlier  []any // events of the commands before it in its chain
	stopped  bool
}

// newEvent is an event that its batch has not written yet.
type newEvent struct {
	Recorded
	event   any
	handled bool // a later command of the chain did what its handler does
}

// statement is an SQL statement that commits with the events.
type statement struct {
	sql  string
	args []any
}

// Now returns the database's time after the locks were taken. It never runs backwards within a stream.
func (tx *Tx) Now() time.Time { return tx.now }

// SetStatus stores a status in the receipt. A repeated command returns it.
func (tx *Tx) SetStatus(status int) { tx.status = status }

// Exec runs a statement in the transaction that writes the command. Its names need their schema.
func (tx *Tx) Exec(sql string, args ...any) { tx.extraSQL = append(tx.extraSQL, statement{sql, args}) }

// ExpectVersion refuses the command if the stream has another version. nil accepts every version; 0 expects that the stream
// does not exist.
func (tx *Tx) ExpectVersion(id uuid.UUID, version *int64) error {
	current := tx.batchStream(id).viewOf(tx).version
	switch {
	case version == nil || *version == current:
		return nil
	case current == 0:
		return tx.ExpectExisting(id)
	case *version == 0:
		return ErrVersionMismatch.Detailf("It exists already.").With("version", current)
	}
	return ErrVersionMismatch.With("version", current)
}

// ExpectExisting refuses the command if the stream does not exist.
func (tx *Tx) ExpectExisting(id uuid.UUID) error {
	if tx.batchStream(id).viewOf(tx).version == 0 {
		return ErrVersionMismatch.Detailf("It does not exist.").With("version", 0)
	}
	return nil
}

// streamView is a state at one moment of a batch.
type streamView struct {
	version int64
	value   any // nil if the stream does not exist
	created time.Time
	updated time.Time
}

// batchStream is a stream during a batch. Its streamView was left by the previous commands; the draft belongs to the command
// that is being decided.
type batchStream struct {
	Ref
	stored   int64 // version in the table; 0: no row
	locked   bool  // a command of the batch names it under Streams
	writer   *Tx   // the command that is being decided, if it names it under Streams
	other    bool  // the row is of another kind, so commands neither see nor change it
	outdated bool  // another version of the program wrote the state
	broken   error // why the state cannot be read; only commands on this stream fail
	streamView
	draft  streamView
	author *Tx // the command that made the draft
}

func (e *batchStream) viewOf(tx *Tx) streamView {
	if e.author == tx {
		return e.draft
	}
	return e.streamView
}

func (tx *Tx) batchStream(id uuid.UUID) *batchStream {
	e := tx.streams[id]
	if e == nil {
		panic(fmt.Sprintf("the command does not name stream %s", id))
	}
	return e
}

func (tx *Tx) append(c codec, id uuid.UUID, event any, next any) {
	e := tx.batchStream(id)
	exists := e.viewOf(tx).version > 0
	if e.writer != tx || e.other || exists && e.codec.kind() != c.kind() {
		panic(fmt.Sprintf("the command may not change stream %s", id))
	}
	eventType := TypeOf(event)
	data, err := json.Marshal(event)
	if err != nil {
		panic(fmt.Sprintf("encode %s: %v", eventType, err))
	}
	if e.author != tx {
		e.author, e.draft = tx, e.streamView
		tx.touched = append(tx.touched, e)
	}
	if e.draft.version == 0 {
		e.draft.created, e.codec = tx.now, c
	}
	e.draft.version++
	e.draft.value, e.draft.updated = next, tx.now
	meta := tx.meta
	meta.EventID, meta.Causation, meta.Schema = uuid.Must(uuid.NewV7()), tx.command, 0
	if schema := c.Schema(eventType); schema > 1 {
		meta.Schema = schema
	}
	tx.events = append(tx.events, newEvent{
		Recorded: Recorded{Stream: id, Version: e.draft.version, Type: eventType, Data: data, Meta: meta, At: tx.now},
		event:    event,
	})
}

// commit publishes the drafts of a decided command to the next commands.
func (tx *Tx) commit() {
	for _, e := range tx.touched {
		e.streamView, e.author = e.draft, nil
	}
}

// discard drops the drafts of a refused command.
func (tx *Tx) discard() {
	for _, e := range tx.touched {
		e.author = nil
	}
}
