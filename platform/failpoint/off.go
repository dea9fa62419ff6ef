//go:build !failpoints

package failpoint

// Enabled says whether the program has fail points.
const Enabled = false

// Reach does nothing.
func Reach(Point, string) {}
