// Command gosec runs gosec's rules. The command that gosec itself brings adds the clients of four AI providers, which take
// two minutes to compile and have no part in a check.
package main

import (
	"github.com/securego/gosec/v2/goanalysis"
	"golang.org/x/tools/go/analysis/singlechecker"
)

func main() { singlechecker.Main(goanalysis.Analyzer) }
