// Package docs carries the API document. It is generated from the annotations at the handlers and from api.go:
//
//	go generate ./docs                 writes openapi.json, and the pages in reference
//	go run ./docs/generate -check      fails when one of them is not what the code says
package docs

import _ "embed" // openapi.json

//go:generate go -C .. run ./docs/generate

// OpenAPI is the OpenAPI 3 document, as served at /openapi.json.
//
//go:embed openapi.json
var OpenAPI []byte
