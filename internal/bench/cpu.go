package bench

import (
	"time"

	"github.com/prometheus/procfs"
)

// tick is the unit of processor times in /proc, on every architecture.
const tick = 10 * time.Millisecond

// parentOf returns the parent of a process, or 0 on a system without /proc.
func parentOf(pid int) int {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0
	}
	stat, _ := p.Stat()
	return stat.PPID
}

// processTime returns the processor time of a process and its children, including ended ones. Below 0: unknown.
func processTime(pid int) time.Duration {
	all, _ := procfs.AllProcs() // none on a system without /proc
	sum, found := time.Duration(0), false
	for _, p := range all {
		stat, err := p.Stat()
		if err != nil || p.PID != pid && stat.PPID != pid { // an error: it has just ended
			continue
		}
		sum += time.Duration(int(stat.UTime+stat.STime)+stat.CUTime+stat.CSTime) * tick
		found = found || p.PID == pid
	}
	if !found {
		return -1
	}
	return sum
}
