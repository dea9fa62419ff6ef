package web

type Problem struct {
	Code string `json:"code"`
}

type Page[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor" extensions:"x-nullable"`
}
