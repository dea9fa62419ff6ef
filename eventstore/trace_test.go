package eventstore_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

// tracedBundle is a store with a tracer, and the spans that ended. It tells the contexts of its handler.
func tracedBundle(t *testing.T) (b *bundle, tracer trace.Tracer, ended *tracetest.SpanRecorder, handled <-chan context.Context) {
	ended = tracetest.NewSpanRecorder()
	tracer = sdk.NewTracerProvider(sdk.WithSpanProcessor(ended)).Tracer("")
	pools, err := database.Open(t.Context(), pgtest.New(t), database.Options{})
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	c := eventstore.NewCommitter(pools.Write, eventstore.CommitterConfig{Begin: pools.Begin, Workers: 1, Tracer: tracer})
	b = &bundle{pools: pools, committer: c, store: eventstore.Open(databaseOf(pools, c), "cart", jars)}
	contexts := make(chan context.Context, 8)
	eventstore.Subscribe(b.store, "look", func(ctx context.Context, _ eventstore.Message[put]) error {
		contexts <- ctx
		return nil
	})
	ctx, stop := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = c.Run(ctx) })
	t.Cleanup(func() { stop(); run.Wait() })
	return b, tracer, ended, contexts
}

// named returns the spans of a name.
func named(ended *tracetest.SpanRecorder, name string) (found []sdk.ReadOnlySpan) {
	for _, s := range ended.Ended() {
		if s.Name() == name {
			found = append(found, s)
		}
	}
	return found
}

// putting is a command of the type put. It calls first before the decision.
func putting(stream uuid.UUID, first func()) eventstore.Command {
	return eventstore.Command{Named: put{}, Streams: []eventstore.Ref{jars.Ref(stream)}, Decide: func(tx *eventstore.Tx) error {
		first()
		jars.Append(tx, stream, put{"a"})
		return nil
	}}
}

func nothingFirst() {}

func TestTraces(t *testing.T) {
	t.Parallel()

	t.Run("EventsAndHandlersContinueTheTraceOfTheCommand", func(t *testing.T) {
		t.Parallel()
		b, tracer, ended, handled := tracedBundle(t)
		ctx, request := tracer.Start(t.Context(), "request")
		id := uuid.New()
		_, err := b.store.Do(ctx, putting(id, nothingFirst))
		require.NoError(t, err)
		command, batch := named(ended, "command jar.put"), named(ended, "batch")
		require.Len(t, command, 1)
		require.Len(t, batch, 1)
		require.Equal(t, request.SpanContext().SpanID(), command[0].Parent().SpanID())
		require.Equal(t, command[0].SpanContext().SpanID(), batch[0].Parent().SpanID())
		require.ElementsMatch(t, []attribute.KeyValue{
			attribute.String("jar.id", id.String()), attribute.String("command.outcome", "done"),
		}, command[0].Attributes())

		continued := trace.SpanContextFromContext(<-handled)
		require.Equal(t, command[0].SpanContext().TraceID(), continued.TraceID())
		require.Equal(t, command[0].SpanContext().SpanID(), continued.SpanID())
		require.True(t, continued.IsSampled())
		origin, err := b.store.Origin(t.Context(), id) // as another process reads it
		require.NoError(t, err)
		require.True(t, continued.Equal(origin))
	})

	t.Run("TheTransactionOfAChainLinksAllItsCommands", func(t *testing.T) {
		t.Parallel()
		b, tracer, ended, _ := tracedBundle(t)
		ctx, _ := tracer.Start(t.Context(), "request")
		results := eventstore.Chain(ctx,
			eventstore.Link{Store: b.store, Command: putting(uuid.New(), nothingFirst)}, eventstore.Link{Store: b.store, Command: putting(uuid.New(), nothingFirst)})
		require.Len(t, results, 2)
		commands, batches := named(ended, "command jar.put"), named(ended, "batch")
		require.Len(t, commands, 2)
		require.Len(t, batches, 1)
		require.Contains(t, batches[0].Attributes(), attribute.Int("batch.commands", 2))
		require.Len(t, batches[0].Links(), 1)
		require.Equal(t, commands[0].SpanContext().SpanID(), batches[0].Parent().SpanID())
		require.Equal(t, commands[1].SpanContext().SpanID(), batches[0].Links()[0].SpanContext.SpanID())
		require.Len(t, commands[1].Links(), 1)
	})

	t.Run("ATransactionOfSeveralTracesLinksThem", func(t *testing.T) {
		t.Parallel()
		b, tracer, ended, _ := tracedBundle(t)
		holding, held := make(chan struct{}), make(chan struct{})
		var all sync.WaitGroup
		do := func(first func()) {
			ctx, _ := tracer.Start(t.Context(), "request")
			all.Go(func() {
				_, err := b.store.Do(ctx, putting(uuid.New(), first))
				require.NoError(t, err)
			})
		}
		var once sync.Once
		do(func() { once.Do(func() { close(holding) }); <-held })
		<-holding
		do(nothingFirst)
		do(nothingFirst)
		require.Eventually(t, func() bool { return b.committer.Waiting() == 2 }, patience, idle)
		close(held)
		all.Wait()

		commands, batches := named(ended, "command jar.put"), named(ended, "batch")
		require.Len(t, commands, 3)
		require.Len(t, batches, 2)
		shared := batches[1]
		require.Contains(t, shared.Attributes(), attribute.Int("batch.commands", 2))
		require.Len(t, shared.Links(), 1)
		byID := map[trace.SpanID]sdk.ReadOnlySpan{}
		for _, c := range commands {
			byID[c.SpanContext().SpanID()] = c
		}
		parent, other := byID[shared.Parent().SpanID()], byID[shared.Links()[0].SpanContext.SpanID()]
		require.NotNil(t, parent)
		require.NotNil(t, other)
		require.Empty(t, parent.Links())
		require.Equal(t, shared.SpanContext().SpanID(), other.Links()[0].SpanContext.SpanID())
	})

	t.Run("ARefusalHasItsCode", func(t *testing.T) {
		t.Parallel()
		b, tracer, ended, _ := tracedBundle(t)
		ctx, _ := tracer.Start(t.Context(), "request")
		cmd := putting(uuid.New(), nothingFirst)
		cmd.Named, cmd.Decide = "refuse", func(*eventstore.Tx) error { return eventstore.ErrVersionMismatch }
		_, err := b.store.Do(ctx, cmd)
		require.ErrorIs(t, err, eventstore.ErrVersionMismatch)
		refused := named(ended, "command jar.refuse")
		require.Len(t, refused, 1)
		require.Contains(t, refused[0].Attributes(), attribute.String("command.outcome", "refused"))
		require.Contains(t, refused[0].Attributes(), attribute.String("error.type", "version_mismatch"))
	})

	t.Run("WithoutATracerOnlyTheIdsAreKept", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		trace1, span1 := trace.TraceID{1}, trace.SpanID{2}
		for flags, span := range map[trace.TraceFlags]string{0: "", trace.FlagsSampled: span1.String()} {
			of := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace1, SpanID: span1, TraceFlags: flags})
			id := uuid.New()
			_, err := b.put(trace.ContextWithSpanContext(t.Context(), of), uuid.New(), id, "a")
			require.NoError(t, err)
			stored, err := b.store.ReadStream(t.Context(), id, 0, 1)
			require.NoError(t, err)
			require.Equal(t, trace1.String(), stored[0].Meta.Trace)
			require.Equal(t, span, stored[0].Meta.Span)
			require.Equal(t, flags, stored[0].Meta.SpanContext().TraceFlags())
		}
	})
}

// Older events have a trace without a span, or none.
func TestOldMetaIsRead(t *testing.T) {
	t.Parallel()
	var m eventstore.Meta
	require.False(t, m.SpanContext().IsValid())
	require.NoError(t, json.Unmarshal([]byte(`{"trace":"4bf92f3577b34da6a3ce929d0e0e4736"}`), &m))
	of := m.SpanContext()
	require.True(t, of.IsValid())
	require.Equal(t, m.Trace, of.TraceID().String())
	require.False(t, of.IsSampled(), "nobody knows, so the trace does not grow")
	m.Trace = "no trace"
	require.False(t, m.SpanContext().IsValid())
}
