package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const refPrefix = "#/definitions/"

// plain are packages whose name adds nothing to the name of a schema.
var plain = []string{"web", "money", "fault"}

// others are types whose room means nothing to clients.
var others = map[string]string{
	"cart.ProductView":      "Product",
	"cart.productRequest":   "ProductRequest",
	"cart.moneyRequest":     "AmountRequest",
	"order.StockView":       "Stock",
	"order.CountRequest":    "StockRequest",
	"order.SalesOfDay":      "SalesOfDay",
	"saga.CheckoutView":     "Checkout",
	"saga.FailureView":      "CheckoutFailure",
	"saga.StepView":         "CheckoutStep",
	"saga.Status":           "CheckoutStatus",
	"saga.StepStatus":       "CheckoutStepStatus",
	"saga.NextAction":       "CheckoutNextAction",
	"saga.checkOutRequest":  "CheckoutRequest",
	"saga.RefundView":       "OrderRefund",
	"saga.refundRequest":    "RefundRequest",
	"saga.amountRequest":    "RefundAmountRequest",
	"saga.EventView":        "Event",
	"saga.SubscriptionView": "Subscription",
	"saga.Subscriptions":    "Subscriptions",
	"saga.ParkedView":       "Parked",
	"saga.ParkedPage":       "ParkedPage",
	"saga.discardRequest":   "DiscardRequest",
	"saga.Reconciliation":   "Reconciliation",
	"saga.Checked":          "ReconciliationChecked",
	"saga.Finding":          "Finding",
	"saga.StreamRef":        "StreamRef",
	"saga.TimelineEntry":    "TimelineEntry",
	"saga.TimelinePage":     "TimelineEntryPage",
	"saga.StreamView":       "Stream",
	"saga.VersionView":      "StreamVersion",
	"saga.OverviewView":     "Overview",
	"saga.Checkouts":        "OverviewCheckouts",
	"saga.MinuteView":       "OverviewMinute",
	"saga.UnfinishedView":   "OverviewUnfinished",
	"saga.TakingsView":      "OverviewTakings",
	"saga.LagView":          "OverviewLag",
	"fault.Field":           "ProblemField",
	"web.status":            "Health",
}

// rename gives every schema the name that clientName finds for it. Two schemas of one name are an error.
func rename(swagger []byte) ([]byte, error) {
	var tree map[string]any
	if err := json.Unmarshal(swagger, &tree); err != nil {
		return nil, err
	}
	definitions, _ := tree["definitions"].(map[string]any)
	renamed, from := map[string]any{}, map[string]string{}
	for name, schema := range definitions {
		to := clientName(name)
		if other, taken := from[to]; taken {
			return nil, fmt.Errorf("%s and %s would both be the schema %s", other, name, to)
		}
		renamed[to], from[to] = schema, name
	}
	if definitions != nil {
		tree["definitions"] = renamed
	}
	relink(tree)
	return json.Marshal(tree)
}

// relink follows the references to the new names.
func relink(node any) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			relink(child)
		}
	case map[string]any:
		if ref, ok := node["$ref"].(string); ok {
			node["$ref"] = refPrefix + clientName(strings.TrimPrefix(ref, refPrefix))
		}
		for _, child := range node {
			relink(child)
		}
	}
}

// clientName turns the name of a Go type into one for clients: cart.View is Cart, cart.addItem is CartAddItem,
// money.Amount is Amount, and web.Page-cart_View (swag's way to write web.Page[cart.View]) is CartPage.
func clientName(name string) string {
	generic, arguments, isGeneric := strings.Cut(name, "-")
	if !isGeneric {
		return typeName(name)
	}
	var out strings.Builder
	for argument := range strings.SplitSeq(arguments, ",") {
		out.WriteString(typeName(strings.Replace(argument, "_", ".", 1)))
	}
	return out.String() + typeName(generic)
}

func typeName(name string) string {
	if other, ok := others[name]; ok {
		return other
	}
	pkg, kind, qualified := strings.Cut(name, ".")
	if !qualified {
		return title(name)
	}
	kind = strings.TrimSuffix(title(kind), "View")
	pkg = title(pkg)
	if slices.Contains(plain, strings.ToLower(pkg)) || kind != "" && strings.HasPrefix(kind, pkg) {
		return kind
	}
	return pkg + kind
}

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
