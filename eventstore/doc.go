// Package eventstore keeps streams of events in Postgres, and decides commands on them.
//
// # A command
//
// A command names the streams that it may change and brings a pure function over their states. The store batches
// commands: those that arrive while a commit is in flight go together into the next transaction.
//
//	Do(command) ─┐
//	Do(command) ─┼─ queue ─ batch:  1  begin · lock the streams in id order · read receipts and the clock
//	Do(command) ─┘                     decide, in order, each on the state that the one before left
//	                                2  streams · receipts · outbox · position lock · events · commit
//	     reply ◄──────────────────────  every reply waits for the commit, refusals too
//
// An [Aggregate] gives a stream its types: how events fold into a state, and what of it is indexed. Inside
// [Command.Decide], [Aggregate.Get] reads a state and [Aggregate.Append] adds events; what Decide refuses changes nothing.
//
// A command has an id. Its receipt is written with its effect, so that a repeated command is answered, not done again:
// after a lost reply, ask again with the same id.
//
// # Two ways out
//
// [Subscribe] names the Go type of an event. Such events get an outbox row in the transaction that writes them; after the
// commit they go straight to their handlers, and the row goes once they are handled. What a crash leaves behind, a
// sweep on any replica takes up. A handler is a nudge: it may come twice and in any order. A message that it fails to handle
// again and again is parked for it.
//
// A [Reader] goes through the log in position order and commits its rows with its position. Positions are handed out in
// commit order, so "after position N" misses nothing.
//
// [Store.Run] does all that goes on in the background. [Store.Timer] finds streams whose time has come, [Store.EndIdle] those that
// nobody touches.
//
// # What changes
//
// Events stay as they were written, with the version of their schema; [Aggregate.Upcasts] lift an old one to its Go type
// of today when it is read. A state is only read by the fold that made it, and folded anew otherwise, so that two versions of the
// program can write the same streams. A stream that only a newer one can read is refused with [ErrNewerVersion].
package eventstore
