//go:build !windows

package database

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// EmbeddedConfig configures the embedded server.
type EmbeddedConfig struct {
	Dir         string            // the data directory; created when missing
	BinDir      string            // PG_BIN_DIR; searched for when empty
	Database    string            // created when missing; "shop" when empty
	Connections int32             // of the program; the server adds some for tools, and has 100 at least
	Params      map[string]string // server settings that override ours
	NoSync      bool              // for tests: initdb does not wait for the disk
	Logger      *slog.Logger      // slog.Default() when nil
}

// Embedded is a PostgreSQL server of this process. Nobody else can connect to it, and it ends with the process, even after a
// crash.
type Embedded struct {
	config    EmbeddedConfig
	bin       binaries
	data      string // the cluster: Dir/pg<major>
	socketDir string
	owner     owner
	lock      *os.File
	log       *os.File

	done chan struct{}
	exit error // the reason of the end; read after done

	mutex    sync.Mutex
	process  *os.Process // the postmaster
	ready    bool        // it has answered: an unexpected end now restarts it
	stopping bool
}

// LockFile is the file in the data directory that a running server locks exclusively (flock). It holds the id of the process that
// owns the server.
const LockFile = "owner.lock"

// embeddedUser is the superuser of the cluster. Access to the socket's directory is access as this user.
const embeddedUser = "app"

// embeddedPort is part of the socket's name.
const embeddedPort = 5432

// Start starts the server. It locks the data directory, creates a missing cluster, ends the processes of a killed predecessor,
// and returns when the database answers. A server that dies later is restarted at the same URL.
func Start(ctx context.Context, c EmbeddedConfig) (*Embedded, error) {
	e := &Embedded{config: c, done: make(chan struct{})}
	if err := e.prepare(ctx); err != nil {
		e.release()
		return nil, fmt.Errorf("start the embedded PostgreSQL: %w", err)
	}
	if err := e.serve(ctx); err != nil {
		return nil, fmt.Errorf("start the embedded PostgreSQL: %w", err)
	}
	return e, nil
}

// URL returns the URL of a database of this server.
func (e *Embedded) URL(database string) string {
	return embeddedURL{user: embeddedUser, socketDir: e.socketDir, database: database, port: embeddedPort}.String()
}

// Done returns a channel that is closed when the server has ended: it was stopped, or it died too often soon after its
// start. Start may then be called again.
func (e *Embedded) Done() <-chan struct{} { return e.done }

// Stop ends the server. Running statements are cut off; every commit is on disk. When ctx ends first, the server quits at once
// and recovers at the next start. Stopping an ended server is no error.
func (e *Embedded) Stop(ctx context.Context) error {
	e.signal(syscall.SIGINT) // "fast": SIGTERM would wait for every client to disconnect
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		e.signal(syscall.SIGQUIT)
		<-e.done
		return fmt.Errorf("stop the embedded PostgreSQL: %w", ctx.Err())
	}
}

// Crash ends the server at once. It recovers at the next start.
func (e *Embedded) Crash() {
	e.signal(syscall.SIGQUIT)
	<-e.done
}

func (e *Embedded) signal(s os.Signal) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.stopping = true
	if e.process != nil {
		_ = e.process.Signal(s)
	}
}

func (e *Embedded) prepare(ctx context.Context) error {
	if e.config.Database == "" {
		e.config.Database = "shop"
	}
	if e.config.Logger == nil {
		e.config.Logger = slog.Default()
	}
	for _, step := range []func(context.Context) error{
		e.claimDirectory, e.chooseProgram, e.openLog, e.chooseOwner, e.makeSocketDir, e.ensureCluster, e.awaitLeftovers,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// claimDirectory locks the data directory. The lock ends with this process, so it is never stale.
func (e *Embedded) claimDirectory(context.Context) (err error) {
	if e.config.Dir, err = filepath.Abs(e.config.Dir); err != nil {
		return err
	}
	if err = os.MkdirAll(e.config.Dir, 0o711); err == nil {
		e.lock, err = os.OpenFile(filepath.Join(e.config.Dir, LockFile), os.O_CREATE|os.O_RDWR, 0o600)
	}
	if err != nil {
		return fmt.Errorf("DATA_DIR must be a folder that the program may write to: %w", err)
	}
	err = syscall.Flock(int(e.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		by, _ := io.ReadAll(e.lock)
		return fmt.Errorf("another server (process %s) already uses the data directory %s: stop that one, or set DATA_DIR to another directory",
			bytes.TrimSpace(by), e.config.Dir)
	}
	if err != nil {
		return err
	}
	if err := e.lock.Truncate(0); err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.lock, os.Getpid())
	return err
}

func (e *Embedded) chooseProgram(context.Context) (err error) {
	if e.bin, err = findBinaries(e.config.BinDir, clusterMajor(e.config.Dir)); err != nil {
		return err
	}
	e.data = filepath.Join(e.config.Dir, fmt.Sprintf("pg%d", e.bin.major))
	return nil
}

func (e *Embedded) chooseOwner(context.Context) (err error) {
	e.owner, err = chooseOwner(e.config.Dir, e.data)
	return err
}

// command prepares a program of the installation. It runs as the owner of the cluster. From our environment it gets only the
// variables that locate libraries. It does not receive the terminal's Ctrl-C, and it ends with this process.
func (e *Embedded) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(e.bin.path(program), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + e.bin.dir + ":/usr/bin:/bin"}
	for _, name := range []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.SysProcAttr = e.owner.attributes()
	return cmd
}

// besides is the number of connections for others: psql, a backup, a migration, and those reserved for a superuser.
const besides = 20

func (e *Embedded) arguments() []string {
	params := map[string]string{
		"listen_addresses":         "", // never TCP
		"unix_socket_directories":  e.socketDir,
		"unix_socket_permissions":  "0700",
		"port":                     strconv.Itoa(embeddedPort),
		"logging_collector":        "off",
		"log_checkpoints":          "off",
		"log_min_messages":         "log", // the program logs errors of statements itself; the file stays small
		"max_connections":          strconv.Itoa(max(100, int(e.config.Connections)+besides)),
		"timezone":                 "UTC",
		"dynamic_library_path":     "$libdir",
		"shared_preload_libraries": "",
	}
	for name, value := range e.config.Params {
		params[name] = value
	}
	args := []string{"-D", e.data}
	for name, value := range params {
		args = append(args, "-c", name+"="+value)
	}
	return args
}

// release unlocks the data directory, and removes the socket's directory if that lies elsewhere.
func (e *Embedded) release() {
	if e.socketDir != "" && filepath.Dir(e.socketDir) != e.config.Dir {
		_ = os.Remove(e.socketDir)
	}
	for _, f := range []*os.File{e.log, e.lock} {
		if f != nil {
			_ = f.Close()
		}
	}
}
