package backoff_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shopping-cart/platform/backoff"
)

// The pause doubles with each failure in a row, up to a limit.
func ExampleAfter() {
	for failures := range 5 {
		fmt.Print(backoff.After(failures, time.Second, 5*time.Second), " ")
	}
	// Output: 1s 2s 4s 5s 5s
}

// A loop that retries sleeps between its attempts, and ends with its context.
func ExampleSleep() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	attempt := func(n int) error {
		if n < 2 {
			return errors.New("not yet")
		}
		return nil
	}
	for n := range 10 {
		err := attempt(n)
		fmt.Println(n, err)
		if err == nil || !backoff.Sleep(ctx, backoff.Jitter(time.Millisecond)) {
			return
		}
	}
	// Output:
	// 0 not yet
	// 1 not yet
	// 2 <nil>
}
