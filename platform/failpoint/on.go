//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// Enabled says whether the program has fail points.
const Enabled = true

// Variable names the environment variable with the path of the order file. The program lists the places that it reaches in a
// second file, with ".reached" appended to the name. The order file holds
//
//	kill <n> <point> <label>   die when the place is reached for the n-th time since the order was given
//	record                     only list the reached places
//
// Without the order file nothing happens. Every place reads it, so an order applies to all places reached after it was given.
const Variable = "FAILPOINTS"

var (
	mu    sync.Mutex
	file  = os.Getenv(Variable)
	order string
	times int
)

// Reach lists the place, and kills the program with SIGKILL when the order says so.
func Reach(at Point, label string) {
	if file == "" {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	text, err := os.ReadFile(file)
	if err != nil {
		return
	}
	if order != string(text) {
		order, times = string(text), 0
	}
	place := fmt.Sprintf("%s %s", at, label)
	write(place)
	var n int
	rest := ""
	if _, err := fmt.Sscanf(order, "kill %d", &n); err == nil {
		_, rest, _ = strings.Cut(strings.TrimPrefix(order, "kill "), " ")
	}
	if strings.TrimSpace(rest) != place {
		return
	}
	if times++; times == n {
		die()
	}
}

func write(place string) {
	log, err := os.OpenFile(file+".reached", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer log.Close()
	if _, err := fmt.Fprintln(log, place); err != nil {
		panic(err)
	}
}

// die keeps the lock, so that no other goroutine passes a place meanwhile.
func die() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}
