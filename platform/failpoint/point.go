// Package failpoint lets the program die at places of a test's choice.
//
// A place is reached before and after each commit, each call to a provider, and each step of a saga:
//
//	failpoint.Reach(failpoint.BeforeCall, "capture")
//
// Only a program built with the tag failpoints has any. In all others Enabled is false and Reach does nothing: the compiler
// leaves neither it nor what is behind "if failpoint.Enabled" in the program, and a test looks that it is so.
package failpoint

// Point is a kind of place. Together with a label, which says what is committed, called or done there, it is a place.
type Point string

// The points. Each pair is as close around the matter as can be: there is nothing in between but the matter itself.
const (
	BeforeCommit Point = "commit.before" // label: a kind of event, or another row
	AfterCommit  Point = "commit.after"
	BeforeCall   Point = "call.before" // label: an operation of the provider
	AfterCall    Point = "call.after"
	BeforeStep   Point = "step.before" // label: a type of saga and its step
	AfterStep    Point = "step.after"
)
