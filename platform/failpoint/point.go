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
