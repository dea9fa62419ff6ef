package database

import (
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"shopping-cart/platform/pgerr"
)

// locksPause is the time between two reads that check whether a lock is gone. It is longer than the lock_timeout of reads.
const locksPause = time.Second

// locks tracks the locks of other sessions that block reads: an alter table or a reindex in an open transaction. A read waits no
// longer than the lock_timeout of its session. Then reads of the same tables are refused at once, except one at a time that
// checks the lock. So a lock takes one of the connections that all reads share, and not all of them.
type locks struct {
	log  *slog.Logger
	some atomic.Bool // until is not empty

	mu    sync.Mutex
	until map[string]time.Time // no read of these tables before then
}

// enter reports whether a statement may run.
func (l *locks) enter(sql string) bool {
	if !l.some.Load() {
		return true
	}
	tables := tablesOf(sql)
	l.mu.Lock()
	defer l.mu.Unlock()
	until, held := l.until[tables]
	now := time.Now()
	if held && now.Before(until) {
		return false
	}
	if held {
		l.until[tables] = now.Add(locksPause)
	}
	return true
}

// left records the result of a statement that could enter.
func (l *locks) left(sql string, err error) {
	timedOut := pgerr.LockTimeout(err)
	if !timedOut && (err != nil || !l.some.Load()) {
		return
	}
	tables := tablesOf(sql)
	l.mu.Lock()
	defer l.mu.Unlock()
	_, held := l.until[tables]
	switch {
	case timedOut && tables != "":
		if !held {
			l.log.Warn("another session holds a lock: reads of its tables are refused", "tables", tables)
		}
		l.until[tables] = time.Now().Add(locksPause)
	case held && !timedOut:
		l.log.Info("the lock of another session is gone", "tables", tables)
		delete(l.until, tables)
	}
	l.some.Store(len(l.until) > 0)
}

var fromTable = regexp.MustCompile(`(?i)\b(?:from|join)\s+"?(\w+)"?\."?(\w+)`)

// tablesOf returns the tables that a statement reads, as "orders.streams orders.contacts", or "" when it names none with its
// schema.
func tablesOf(sql string) string {
	var all []string
	for _, one := range fromTable.FindAllStringSubmatch(sql, -1) {
		all = append(all, one[1]+"."+one[2])
	}
	return strings.Join(all, " ")
}
