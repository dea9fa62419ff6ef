package config

import (
	"slices"
	"strings"
)

// What READY_REQUIRES may say beside names of modules.
const (
	ReadyAny = "any"
	ReadyAll = "all"
)

// Module is a module by its name in the API, and the schema that it keeps its data in.
type Module struct{ Name, Schema string }

// Modules are all that have a schema of their own.
var Modules = []Module{{"cart", "cart"}, {"order", "orders"}, {"payment", "payment"}, {"saga", "saga"}, {Simulator, "simulator"}}

func (c Config) checkReady(wrong *findings) {
	if c.ReadyRequires == "" || c.ReadyRequires == ReadyAny || c.ReadyRequires == ReadyAll {
		return
	}
	for name := range strings.SplitSeq(c.ReadyRequires, ",") {
		known := slices.ContainsFunc(Modules, func(m Module) bool { return m.Name == strings.TrimSpace(name) })
		if !known {
			wrong.add("READY_REQUIRES", "must be any, all, or modules separated by commas: cart, order, payment, saga, simulator")
			return
		}
	}
}
