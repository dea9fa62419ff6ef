package eventstore

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/fault"
)

// What the store itself refuses.
var (
	ErrBusy            = fault.New(fault.Unavailable, "busy", "Too much is going on right now. Try again shortly.")
	ErrUnavailable     = fault.New(fault.Unavailable, "unavailable", "The database is not reachable right now. Try again shortly.")
	ErrVersionMismatch = fault.New(fault.Stale, "version_mismatch", "It has changed since you read it. Read it again.")
	ErrKeyReused       = fault.New(fault.Invalid, "idempotency_key_reused", "This Idempotency-Key was used for another request.")
)

// Command is a decision over streams, and the id by which it happens once.
type Command struct {
	ID          uuid.UUID // of its receipt; zero: a fresh one
	Fingerprint []byte    // of the request: the same id with another one is refused (ErrKeyReused)
	Meta        Meta      // actor, correlation and trace of its events
	Streams     []Ref     // what it may change; locked. The first is the one that its receipt names
	Reads       []Ref     // what it looks at, as committed at the decision; not locked
	// Decide is pure, and may run more than once. An error refuses the command: nothing of it is written.
	Decide func(*Tx) error
}

// Receipt says what a command did.
type Receipt struct {
	Stream   uuid.UUID
	Version  int64 // of Stream, after the command
	Status   int   // what Decide handed to Tx.Answer; 0 otherwise
	Replayed bool  // done before: this is the answer of then

	fingerprint []byte
	after       streamView
}

// Tx is what Decide sees of the batch it runs in.
type Tx struct {
	now      time.Time
	meta     Meta
	command  uuid.UUID
	streams  map[uuid.UUID]*batchStream
	touched  []*batchStream
	events   []newEvent
	extraSQL []statement
	status   int
}

// newEvent is an event that waits for the end of its batch.
type newEvent struct {
	Recorded
	event Event
}

// statement is a row of the module's own tables that stands or falls with the events.
type statement struct {
	sql  string
	args []any
}

// Now is the database's time, after the locks were taken: it never runs backwards within a stream.
func (tx *Tx) Now() time.Time { return tx.now }

// SetStatus leaves a status in the receipt, for a replay to repeat.
func (tx *Tx) SetStatus(status int) { tx.status = status }

// Exec runs a statement in the transaction that writes the command. Names in it carry their schema.
func (tx *Tx) Exec(sql string, args ...any) { tx.extraSQL = append(tx.extraSQL, statement{sql, args}) }

// ExpectVersion refuses a stream at another version than the one named; nil names none, and 0 that the stream does not exist.
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

// ExpectExisting refuses a stream that does not exist.
func (tx *Tx) ExpectExisting(id uuid.UUID) error {
	if tx.batchStream(id).viewOf(tx).version == 0 {
		return ErrVersionMismatch.Detailf("It does not exist.").With("version", 0)
	}
	return nil
}

// streamView is a state at one moment of a batch.
type streamView struct {
	version int64
	value   any // nil: no such stream
	created time.Time
	updated time.Time
}

// batchStream is a stream during a batch: committed by the commands before, drafted by the one that is being decided.
type batchStream struct {
	Ref
	stored   int64 // version in the table; 0: no row
	locked   bool  // named under Streams by some command of the batch
	writer   *Tx   // the command being decided that named it under Streams
	other    bool  // the row is of another kind: not ours to see or to change
	outdated bool  // the row's state is of another fold
	broken   error // why its state cannot be read: commands on it fail, and no others
	streamView
	draft  streamView
	author *Tx // whose draft it is
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

func (tx *Tx) append(c codec, id uuid.UUID, event Event, next any) {
	e := tx.batchStream(id)
	exists := e.viewOf(tx).version > 0
	if e.writer != tx || e.other || exists && e.codec.kind() != c.kind() {
		panic(fmt.Sprintf("the command may not change stream %s", id))
	}
	data, err := json.Marshal(event)
	if err != nil {
		panic(fmt.Sprintf("encode %s: %v", event.Kind(), err))
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
	if schema := c.Schema(event.Kind()); schema > 1 {
		meta.Schema = schema
	}
	tx.events = append(tx.events, newEvent{
		Recorded: Recorded{Stream: id, Version: e.draft.version, Kind: event.Kind(), Data: data, Meta: meta, At: tx.now},
		event:    event,
	})
}

// commit makes the drafts of a decided command what the next command sees.
func (tx *Tx) commit() {
	for _, e := range tx.touched {
		e.streamView, e.author = e.draft, nil
	}
}

// discard forgets the drafts of a refused command.
func (tx *Tx) discard() {
	for _, e := range tx.touched {
		e.author = nil
	}
}
