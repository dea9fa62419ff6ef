package chaos

import (
	"os"
	"syscall"
)

// Windows freezes no process. No replica gets this far there: the database of the replicas is embedded, and says that it cannot run.
var (
	stopSignal     os.Signal = os.Kill
	continueSignal os.Signal = os.Kill
)

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
