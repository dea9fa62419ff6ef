// Package stats computes statistics of measurements.
package stats

import "time"

// Percentile returns the smallest of the sorted values that at least p percent of them do not exceed: the nearest rank. It is 0
// without values.
func Percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
