//go:build !windows

package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// testServer is the server of this test program's databases.
type testServer struct {
	base  *url.URL // of the database postgres
	pool  *bouncer // between tests and databases; nil: direct
	users *os.File // open, and so holding a shared lock, while this program runs

	templateMutex sync.Mutex
	templateName  string
}

var shared = sync.OnceValues(func() (*testServer, error) {
	if text := os.Getenv("TEST_DATABASE_URL"); text != "" {
		if Pooled() {
			return nil, errors.New("TEST_DATABASE_URL and " + pooledVariable + " cannot be combined: PgBouncer only fronts the private server")
		}
		base, err := parseBase(text)
		return &testServer{base: base}, err
	}
	if !mainCalled {
		return nil, errors.New("the package's TestMain must call pgtest.Main")
	}
	return joinServer(os.Getppid())
})

// The files in the directory of a shared server.
const (
	usersFile = "users.lock" // locked shared by every test program that uses the server, exclusively at its end
	startFile = "start.lock" // locked during the check for, and the start of, the server
	urlFile   = "url"        // the address of the server; exists when it is ready
	logFile   = "supervisor.log"
	poolDir   = "pooled" // of the PgBouncer before it
)

// directory returns the directory of the server of one "go test" run. The test programs of all packages are its children.
func directory(parent int) string {
	if Pooled() {
		return fmt.Sprintf("%s%d-pooled", directories(), parent)
	}
	return fmt.Sprintf("%s%d", directories(), parent)
}

// directories returns the common prefix of all these directories.
func directories() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("shop-pgtest-%d-", os.Getuid()))
}

// joinServer registers this program as a user of the server of parent, and starts the server if there is none.
func joinServer(parent int) (*testServer, error) {
	dir := directory(parent)
	users, err := register(dir)
	if err != nil {
		return nil, err
	}
	start, err := lockFile(filepath.Join(dir, startFile), syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer start.Close()
	address, err := runningServer(dir)
	if err != nil {
		address, err = startSupervisor(dir, parent)
	}
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(address)
	s := &testServer{base: base, users: users}
	if err == nil && Pooled() {
		s.pool = &bouncer{dir: filepath.Join(dir, poolDir), user: base.User.Username()}
	}
	return s, err
}

// register takes the shared lock. If the server of the directory was just ending, the locked file is gone and it tries again.
func register(dir string) (*os.File, error) {
	for {
		if err := makeDirectory(dir); err != nil {
			return nil, err
		}
		path := filepath.Join(dir, usersFile)
		users, err := lockFile(path, syscall.LOCK_SH)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ours, err := users.Stat()
		if err != nil {
			return nil, err
		}
		if current, err := os.Stat(path); err == nil && os.SameFile(ours, current) {
			return users, nil
		}
		_ = users.Close()
	}
}

// makeDirectory refuses a directory of another user. Others may pass through it, since a server that root starts runs as another
// user, but its files and sockets are private.
func makeDirectory(dir string) error {
	if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	s, err := os.Lstat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil // its server just ended; the next caller makes it again
	}
	if err != nil {
		return err
	}
	if !s.IsDir() || int(s.Sys().(*syscall.Stat_t).Uid) != os.Getuid() {
		return fmt.Errorf("%s is in the way: it is not a directory of ours", dir)
	}
	return nil
}

func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// runningServer returns the address of the server in dir if it answers.
func runningServer(dir string) (string, error) {
	address, err := os.ReadFile(filepath.Join(dir, urlFile))
	if err != nil {
		return "", err
	}
	base, err := url.Parse(string(address))
	if err != nil {
		return "", err
	}
	return string(address), ping(base.String())
}

// startSupervisor runs this test program again, as the supervisor, and waits until its server is ready. It has its own session
// and none of our files, so a Ctrl-C does not reach it and "go test" does not wait for it.
func startSupervisor(dir string, parent int) (string, error) {
	_ = os.Remove(filepath.Join(dir, urlFile))
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd := exec.Command(program)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), superviseVariable+"="+dir, fmt.Sprintf("%s=%d", parentVariable, parent))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		if address, err := os.ReadFile(filepath.Join(dir, urlFile)); err == nil {
			return string(address), nil
		}
		select {
		case <-ended:
			why, _ := os.ReadFile(filepath.Join(dir, logFile))
			return "", fmt.Errorf("the test server did not start: %s", bytes.TrimSpace(why))
		case <-time.After(10 * time.Millisecond):
		}
	}
}
