// Package failpoint kills the program at places that a test chooses.
//
// A place lies before or after a commit, a call to a provider, or a step of a saga:
//
//	failpoint.Reach(failpoint.BeforeCall, "capture")
//
// Only a program built with the tag failpoints has any. Otherwise Enabled is false and Reach does nothing: the compiler removes
// Reach and all code under "if failpoint.Enabled". A test checks this.
package failpoint

// Point is a kind of place. A place is a point with a label that names the commit, the call or the step.
type Point string

// The points. Each pair encloses one operation as tightly as possible.
const (
	BeforeCommit Point = "commit.before" // label: a type of event, or another row
	AfterCommit  Point = "commit.after"
	BeforeCall   Point = "call.before" // label: an operation of the provider
	AfterCall    Point = "call.after"
	BeforeStep   Point = "step.before" // label: a type of saga and its step
	AfterStep    Point = "step.after"
)
