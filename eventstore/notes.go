package eventstore

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Note is a text that a person wrote. Events and states hold its reference; the table notes holds the text, so that it can be erased.
// Events of older versions hold the text itself.
type Note struct {
	id           uuid.UUID
	schema, text string
}

// NewNote returns a note for a command of the store. It is stored with the events of the command, and not if there are none.
func (s *Store) NewNote(text string) Note {
	return Note{id: uuid.Must(uuid.NewV7()), schema: s.schema, text: text}
}

// Reference returns the reference of a note: note:<schema>/<id>. It is empty for an empty text.
func (n Note) Reference() string {
	if n.text == "" {
		return ""
	}
	return "note:" + n.schema + "/" + n.id.String()
}

// keepNote stores the note of a command that made events.
func (tx *Tx) keepNote(n Note, stream uuid.UUID) {
	if n.text != "" && len(tx.events) > 0 {
		tx.Exec(`insert into `+n.schema+`.notes (id, stream, text) values ($1, $2, $3)`, n.id, stream, n.text)
	}
}

// Notes reads the notes of several stores, since the events of one module may refer to the note of another.
type Notes struct{ stores []*Store }

// Reveal replaces references by their texts, and those of erased notes by an empty text. Other texts stay.
func (s *Store) Reveal(ctx context.Context, reasons ...*string) error {
	references := make([]string, len(reasons))
	for i, r := range reasons {
		references[i] = *r
	}
	texts, err := s.db.Notes.texts(ctx, references)
	for i, r := range reasons {
		if text, ok := texts[references[i]]; ok {
			*r = text
		}
	}
	return err
}

// noteInJSON matches the reason in an event or a state that is a reference.
var noteInJSON = regexp.MustCompile(`"reason":"(note:[a-z]+/[0-9a-f-]{36})"`)

// RevealIn is Reveal for the reasons in events and states.
func (s *Store) RevealIn(ctx context.Context, documents ...*json.RawMessage) error {
	var references []string
	for _, d := range documents {
		for _, match := range noteInJSON.FindAllSubmatch(*d, -1) {
			references = append(references, string(match[1]))
		}
	}
	texts, err := s.db.Notes.texts(ctx, references)
	for _, d := range documents {
		if len(texts) > 0 {
			*d = noteInJSON.ReplaceAllFunc(*d, func(member []byte) []byte {
				text, _ := json.Marshal(texts[string(noteInJSON.FindSubmatch(member)[1])])
				return append([]byte(`"reason":`), text...)
			})
		}
	}
	return err
}

// RevealEvents is RevealIn for the data of events.
func (s *Store) RevealEvents(ctx context.Context, events []Recorded) error {
	documents := make([]*json.RawMessage, len(events))
	for i := range events {
		documents[i] = &events[i].Data
	}
	return s.RevealIn(ctx, documents...)
}

// texts returns the texts of the references among some texts. An erased note has an empty text.
func (n *Notes) texts(ctx context.Context, among []string) (map[string]string, error) {
	texts := map[string]string{}
	for _, s := range n.stores {
		prefix, ids := "note:"+s.schema+"/", [][16]byte{}
		for _, text := range among {
			rest, ok := strings.CutPrefix(text, prefix)
			if id, err := uuid.Parse(rest); ok && err == nil {
				texts[text], ids = "", append(ids, id)
			}
		}
		if len(ids) == 0 {
			continue
		}
		rows, _ := s.db.Query.Query(ctx, s.in(`select id, text from @.notes where id = any($1)`), ids)
		var id uuid.UUID
		var text string
		if _, err := pgx.ForEachRow(rows, []any{&id, &text}, func() error {
			texts[prefix+id.String()] = text
			return nil
		}); err != nil {
			return nil, fmt.Errorf("read the notes of %s: %w", s.schema, err)
		}
	}
	return texts, nil
}

// eraseNotes deletes notes, and the reasons for which an operator discarded messages.
const eraseNotes = `with gone as (delete from @.notes where stream = any($1) or ` + mentioned + ` returning 1),
	discarded as (update @.parked set reason = null where reason is not null and (stream = any($1) or exists
		(select from unnest($2::text[]) mention where lower(reason) ~ mention)) returning 1)
	select (select count(*) from gone) + (select count(*) from discarded)`

const mentioned = `exists (select from unnest($2::text[]) mention where lower(text) ~ mention)`

// EraseNotes deletes the notes of streams, and those that match one of the regular expressions in lower case. It returns their number.
func (s *Store) EraseNotes(ctx context.Context, streams []uuid.UUID, mentions []string) (erased int64, err error) {
	if err = s.db.Control.QueryRow(ctx, s.in(eraseNotes), raw(streams), mentions).Scan(&erased); err != nil {
		return 0, fmt.Errorf("erase the notes of %s: %w", s.schema, err)
	}
	return erased, nil
}

// ParkedOf returns the ids of the parked messages of streams, also of discarded ones.
func (s *Store) ParkedOf(ctx context.Context, streams []uuid.UUID) ([]uuid.UUID, error) {
	return s.ids(ctx, `select id from @.parked where stream = any($1)`, raw(streams))
}

func (s *Store) ids(ctx context.Context, sql string, of any) ([]uuid.UUID, error) {
	rows, _ := s.db.Query.Query(ctx, s.in(sql), of)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("find what belongs to a customer in %s: %w", s.schema, err)
	}
	return ids, nil
}

// OfCustomer returns the ids of the streams of a kind that belong to a customer.
func (s *Store) OfCustomer(ctx context.Context, kind, customer string) ([]uuid.UUID, error) {
	// The kind is a literal, so that a generic plan still matches the partial indexes.
	return s.ids(ctx, `select id from @.streams where kind = '`+kind+`' and customer = $1`, customer)
}

// Document is a row of stored data as JSON.
type Document struct {
	ID                   uuid.UUID
	CreatedAt, UpdatedAt time.Time
	Data                 json.RawMessage
}

// Documents returns the rows of a query for ids: an id, two times and JSON.
func (s *Store) Documents(ctx context.Context, sql string, ids []uuid.UUID) ([]Document, error) {
	rows, _ := s.db.Query.Query(ctx, s.in(sql), raw(ids))
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Document])
	if err != nil {
		return nil, fmt.Errorf("read documents of %s: %w", s.schema, err)
	}
	return found, nil
}

// States returns the states of streams with their notes.
func (s *Store) States(ctx context.Context, ids []uuid.UUID) ([]Document, error) {
	found, err := s.Documents(ctx, `select id, created_at, updated_at, state from @.streams where id = any($1)`, ids)
	if err != nil {
		return nil, err
	}
	states := make([]*json.RawMessage, len(found))
	for i := range found {
		states[i] = &found[i].Data
	}
	return found, s.RevealIn(ctx, states...)
}

// NotesOf returns the ids of the notes of streams.
func (s *Store) NotesOf(ctx context.Context, streams []uuid.UUID) ([]uuid.UUID, error) {
	return s.ids(ctx, `select id from @.notes where stream = any($1)`, raw(streams))
}

// ReadNotes returns notes as {stream, text}.
func (s *Store) ReadNotes(ctx context.Context, ids []uuid.UUID) ([]Document, error) {
	return s.Documents(ctx, `select id, at, at, json_build_object('stream', stream, 'text', text) from @.notes where id = any($1)`, ids)
}
