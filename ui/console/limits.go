package console

import "time"

// limits is the response of GET /v1/admin/limits.
type limits struct {
	Classes []struct {
		Class            string
		Subject, Address *rateLimit
	}
	Refused []struct {
		Class, By, Key string
		Refused        int
		LastRefusedAt  time.Time `json:"last_refused_at"`
	}
	Connections struct {
		Open, Limit, Refused int

		PerAddress int `json:"per_address"`
	}
	Streams struct {
		Open, Limit, Refused int

		PerAddress  int `json:"per_address"`
		PerSubject  int `json:"per_subject"`
		PerCheckout int `json:"per_checkout"`
	}
}

// rateLimit is the limit of a class for each subject or for each address.
type rateLimit struct {
	PerSecond float64 `json:"per_second"`
	Burst     int
	Refused   int
}

func (c *Console) showLimits(v *visit) error {
	found, err := get[limits](v, "/v1/admin/limits", nil)
	if err != nil {
		return err
	}
	return v.show("limits", "limits", "Limits", found)
}
