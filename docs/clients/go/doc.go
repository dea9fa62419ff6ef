// Package client is what oapi-codegen makes of the API document, as a shop written in Go would. e2e/docs/clients_go_test.go
// takes the tour with it. Only that test imports it.
package client

//go:generate go -C ../../../.ci/tools tool oapi-codegen -config ../../docs/clients/go/config.yaml -o ../../docs/clients/go/client.gen.go ../../docs/openapi.json
