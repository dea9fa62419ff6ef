// Shopping-cart is a headless cart and checkout engine: it turns a cart into a paid order exactly once.
package main

import (
	"os"

	"shopping-cart/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
