package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi2"
)

const refPrefix = "#/definitions/"

var aRef = regexp.MustCompile(refPrefix + `[^"]+`)

// plain are packages whose name says nothing to clients.
var plain = []string{"web", "money", "fault", "saga", "admin", "reconcile"}

// others are types whose own name says too little or too much to clients.
var others = map[string]string{
	"cart.ProductView":        "Product",
	"cart.productRequest":     "ProductRequest",
	"cart.moneyRequest":       "AmountRequest",
	"order.StockView":         "Stock",
	"order.CountRequest":      "StockRequest",
	"order.SalesOfDay":        "SalesOfDay",
	"saga.Action":             "SagaAction",
	"admin.CheckoutsView":     "SagaCheckouts",
	"saga.reasonRequest":      "SagaReasonRequest",
	"saga.remark":             "SagaRemark",
	"saga.settleRequest":      "SagaSettleRequest",
	"saga.FailureView":        "CheckoutFailure",
	"saga.StepView":           "CheckoutStep",
	"saga.Status":             "CheckoutStatus",
	"saga.StepStatus":         "CheckoutStepStatus",
	"saga.NextAction":         "CheckoutNextAction",
	"saga.cancelOrderRequest": "OrderCancelRequest",
	"saga.checkOutRequest":    "CheckoutRequest",
	"saga.RefundView":         "OrderRefund",
	"saga.amountRequest":      "RefundAmountRequest",
	"reconcile.Checked":       "ReconciliationChecked",
	"admin.TimelinePage":      "TimelineEntryPage",
	"admin.VersionView":       "StreamVersion",
	"admin.MinuteView":        "OverviewMinute",
	"admin.UnfinishedView":    "OverviewUnfinished",
	"admin.RevenueView":       "OverviewTakings",
	"admin.LagView":           "OverviewLag",
	"fault.Field":             "ProblemField",
	"web.status":              "Health",
}

// rename gives every schema its name for clients. Two schemas of one name are an error.
func rename(doc *openapi2.T) error {
	renamed := map[string]*openapi2.SchemaRef{}
	for name, schema := range doc.Definitions {
		to := clientName(name)
		if renamed[to] != nil {
			return fmt.Errorf("two types would be the schema %s, one of them %s", to, name)
		}
		renamed[to] = schema
	}
	doc.Definitions = renamed
	return nil
}

// renamedRef returns a reference to a schema by its name for clients.
func renamedRef(ref []byte) []byte {
	return []byte(refPrefix + clientName(strings.TrimPrefix(string(ref), refPrefix)))
}

// clientName returns the name for clients of a Go type: Cart for cart.View, CartAddItem for cart.addItem, Amount for
// money.Amount, and CartPage for web.Page-cart_View, which is how swag writes web.Page[cart.View].
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
	if kind != "" && (slices.Contains(plain, strings.ToLower(pkg)) || strings.HasPrefix(kind, pkg)) {
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
