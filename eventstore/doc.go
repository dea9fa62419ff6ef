// Package eventstore keeps streams of events in PostgreSQL and decides commands on them.
//
// # A command
//
// A command names the streams that it may change and brings a pure function over their states. The store batches
// commands: those that arrive during a commit go into the next transaction together.
//
//	Do(command) ─┐
//	Do(command) ─┼─ queue ─ batch:  1  begin · lock the streams in id order · read receipts and the clock
//	Do(command) ─┘                     decide in order, each command on the states that the previous ones left
//	                                2  streams · receipts · outbox · position lock · events · commit
//	     reply ◄──────────────────────  every reply waits for the commit, refusals too
//
// An [Aggregate] describes the streams of one kind: how events lead to a state, and which columns index it.
// [Aggregate.Handle] decides a command on one stream. For several streams, [Command.Decide] reads states with
// [Aggregate.Get] and adds events with [Aggregate.Append]. A refused command changes nothing.
//
// A command has an id. Its receipt is written with its effect. Repeating a command with the same id returns the original
// receipt, so a caller that lost the reply can send the command again. A command that is Harmless when repeated has no receipt.
//
// [Chain] decides several commands, also of several stores, in one transaction, up to the first refusal.
//
// # Two ways out
//
// [Subscribe] registers a handler for the Go type of an event. Such events get an outbox row in the transaction that
// writes them. After the commit the store calls their handlers directly, and deletes the row when they succeed. A relay on
// every replica redelivers the messages that a crash left in the outbox. A handler may receive a message twice and in any
// order. A message that fails again and again is parked for its handler.
//
// A [Projection] reads the log in the order of positions and commits its rows with its position. Positions are assigned in
// commit order, so reading after a position misses nothing.
//
// [Store.Run] does the background work. [Store.Timer] finds streams whose time has come, [Store.ExpireIdle] ends untouched
// streams.
//
// # Changes of the program
//
// Stored events never change. Each has the version of its schema, and [Aggregate.Upcasts] convert old versions to the
// current Go type when they are read. A state is used only by the state version that wrote it, and is rebuilt from its events
// otherwise. So two versions of the program can write the same streams. A stream that only a newer version can read is
// refused with [ErrNewerVersion].
package eventstore
