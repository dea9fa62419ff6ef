// Package generate declares the events of the generator's test, with comments.
package generate

// Opened says that a cart is there.
type Opened struct {
	CartID uuid.UUID    `json:"cart_id"`
	Total  money.Amount `json:"total"`
	Parts  []Part       `json:"parts,omitempty"` // what is in it
	Status Status       `json:"status"`
}

type Status string

const (
	StatusOpen   Status = "open"
	StatusMerged Status = "merged"
	statusNone   Status = ""
)

type (
	// Part is a piece.
	Part struct {
		Name string `json:"name"`
	}

	// added: a piece came.
	added struct{ Part }
)
