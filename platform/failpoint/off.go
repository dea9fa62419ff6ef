//go:build !failpoints

// Package failpoint lets the program die at places of a test's choice.
//
// A place is reached before and after each commit, each call to a provider, and each step of a saga:
//
//	failpoint.Reach(failpoint.BeforeCall, "capture")
//
// Only a program built with the tag failpoints has any. In all others Enabled is false and Reach does nothing: the compiler
// leaves neither it nor what is behind "if failpoint.Enabled" in the program, and a test looks that it is so.
package failpoint

// Enabled says whether the program has fail points.
const Enabled = false

// Reach does nothing.
func Reach(Point, string) {}
