package money

type Amount struct {
	Amount   int64  `json:"amount" example:"1999"`
	Currency string `json:"currency" example:"GBP"`
}
