package chaos

import (
	"os"
	"syscall"
)

// Windows cannot freeze a process. No replica starts there, because the embedded database does not run on Windows.
var (
	stopSignal     os.Signal = os.Kill
	continueSignal os.Signal = os.Kill
)

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
