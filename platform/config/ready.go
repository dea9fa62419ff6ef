package config

import (
	"slices"
	"strings"
)

// READY_REQUIRES takes these values, or names of modules.
const (
	ReadyAny = "any"
	ReadyAll = "all"
)

// Module is a module's name in the API and the schema of its data.
type Module struct{ Name, Schema string }

// Modules lists all modules with a schema of their own.
var Modules = []Module{{"cart", "cart"}, {"order", "orders"}, {"payment", "payment"}, {"saga", "saga"}, {"audit", "audit"}, {Simulator, "simulator"}}

func (c Config) checkReady(wrong *findings) {
	if c.ReadyRequires == "" || c.ReadyRequires == ReadyAny || c.ReadyRequires == ReadyAll {
		return
	}
	for name := range strings.SplitSeq(c.ReadyRequires, ",") {
		known := slices.ContainsFunc(Modules, func(m Module) bool { return m.Name == strings.TrimSpace(name) })
		if !known {
			wrong.add("READY_REQUIRES", "must be any, all, or modules separated by commas: cart, order, payment, saga, audit, simulator")
			return
		}
	}
}
