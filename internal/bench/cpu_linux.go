package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor times in /proc, on every architecture.
const tick = 10 * time.Millisecond

// process is a line of /proc: the ids of the process and its parent, and the processor time of it and its reaped children.
type process struct {
	parent        int
	own, children time.Duration
}

func processOf(pid string) (process, bool) {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return process{}, false // it has just ended
	}
	// The name, in brackets, may contain anything. The third field follows it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 15 {
		return process{}, false
	}
	number := func(field int) int {
		n, _ := strconv.Atoi(fields[field-3])
		return n
	}
	ticks := func(a, b int) time.Duration { return time.Duration(number(a)+number(b)) * tick }
	return process{parent: number(4), own: ticks(14, 15), children: ticks(16, 17)}, true
}

func parentOf(pid int) int {
	p, _ := processOf(fmt.Sprint(pid))
	return p.parent
}

// processTime returns the processor time of a process and its children, ended ones included. Below 0: unknown.
func processTime(pid int) time.Duration {
	p, ok := processOf(fmt.Sprint(pid))
	if !ok {
		return -1
	}
	sum := p.own + p.children
	all, err := os.ReadDir("/proc")
	if err != nil {
		return -1
	}
	for _, entry := range all {
		if name := entry.Name(); name[0] >= '0' && name[0] <= '9' {
			if child, ok := processOf(name); ok && child.parent == pid {
				sum += child.own + child.children
			}
		}
	}
	return sum
}
