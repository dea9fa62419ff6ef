package main

import (
	"errors"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// The members of an operation that list scopes. OpenAPI 3.0 allows none in the requirement of a bearer token.
const (
	requiredScopes = "x-required-scopes" // a token needs one of them
	operatorScopes = "x-operator-scopes" // customers need none; operators with one of them use the resources of all customers
)

// nameScopes moves the scopes of the annotations into the members of the operation, and describes them in a sentence.
func nameScopes(o *openapi3.Operation) error {
	required := scopesOf(*o.Security)
	others, err := extensionOf(o, operatorScopes)
	if err != nil {
		return err
	}
	switch {
	case len(required) > 0:
		o.Extensions[requiredScopes] = required
		describe(o, "Needs the scope "+alternatives(required)+".")
		if o.Responses.Value("403") == nil {
			o.Responses.Set("403", refusal(http.StatusText(http.StatusForbidden)))
		}
	case len(others) > 0:
		describe(o, "For the resource's customer, and for operators with the scope "+alternatives(others)+".")
	}
	return nil
}

func scopesOf(of openapi3.SecurityRequirements) (scopes []string) {
	for _, requirement := range of {
		for _, names := range requirement {
			scopes = append(scopes, names...)
		}
	}
	return scopes
}

// extensionOf returns the texts in an extension of an operation.
func extensionOf(o *openapi3.Operation, name string) (texts []string, err error) {
	if o.Extensions == nil {
		o.Extensions = map[string]any{}
	}
	values, is := o.Extensions[name].([]any)
	if !is && o.Extensions[name] != nil {
		return nil, errors.New(name + " must be a list")
	}
	for _, value := range values {
		text, _ := value.(string)
		texts = append(texts, text)
	}
	return texts, nil
}

func alternatives(scopes []string) string { return "`" + strings.Join(scopes, "` or `") + "`" }

func describe(o *openapi3.Operation, sentence string) {
	o.Description = strings.TrimSpace(o.Description + " " + sentence)
}
