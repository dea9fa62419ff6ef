package web

import "time"

// Limits bounds what clients may use. The zero value limits nothing. The counts are those of this process.
type Limits struct {
	Rates       map[Class]Rates
	Connections ConnectionLimits
	Streams     StreamLimits
	// Delay is how long the answer 429 is held back, so that a client that repeats at once takes little from others; 0: not at all.
	Delay time.Duration
}

// ConnectionLimits bounds the connections of the server's listener.
type ConnectionLimits struct {
	Most       int // in all; 0: no limit
	PerAddress int // 0: no limit. Trusted proxies have none

	// Delay holds a refused connection open, so that a client that opens another at once is slowed. Beyond so many Delayed ones
	// connections are closed at once.
	Delay   time.Duration
	Delayed int
}

// StreamLimits bounds the open streams of server-sent events; 0 is no limit. A stream is a connection too.
type StreamLimits struct {
	Most       int // in all
	PerAddress int // of the client
	PerSubject int
	PerObject  int // of one subject on one object, such as a checkout
}
