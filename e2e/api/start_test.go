package api

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/config"
)

// programLimit ends a program that a test started, so that a test that waits for a line of it fails instead of waiting for ever.
const programLimit = 4 * harness.Patience

// command runs the program as a process of its own, in an empty folder and with these settings alone.
func command(t *testing.T, settings []string, arguments ...string) (said, complained string, status int) {
	t.Helper()
	var out, complaint bytes.Buffer
	program := exec.CommandContext(harness.Within(t, programLimit), os.Args[0], arguments...)
	program.Dir, program.Stdout, program.Stderr = t.TempDir(), &out, &complaint
	program.Env = append(config.Foreign(os.Environ()), append(settings, harness.AsProgram+"=1", "GORACE=atexit_sleep_ms=0")...)
	_ = program.Run()
	return out.String(), complaint.String(), program.ProcessState.ExitCode()
}

// A port that is taken is said with the setting that chooses it, and with another one.
func TestTakenAddressNamesItsSetting(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	address := taken.Addr().String()
	_, complained, status := command(t, []string{"HTTP_ADDR=" + address})
	require.Equal(t, 1, status)
	require.Contains(t, complained, "HTTP_ADDR: another program already listens on "+address+": stop it, or choose another port, such as HTTP_ADDR=127.0.0.1:")
}

// A data directory that cannot be used is said with its setting, whichever part of the program meets it first.
func TestUnusableDataDirNamesItsSetting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, dangling := filepath.Join(dir, "file"), filepath.Join(dir, "dangling")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Symlink(filepath.Join(dir, "nothing"), dangling))
	for name, data := range map[string]string{"File": file, "BelowAFile": file + "/data", "Dangling": dangling, "TooLong": strings.Repeat("x", 300), "Unwritable": "/proc/data"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, secret := range []string{"", harness.Secret} {
				_, complained, status := command(t, []string{"HTTP_ADDR=127.0.0.1:0", "DATA_DIR=" + data, "AUTH_SECRET=" + secret})
				require.Equal(t, 1, status)
				require.Contains(t, complained, "DATA_DIR must be a folder that the program may write to: ")
			}
		})
	}
}

// Without file descriptors PostgreSQL cannot be asked for its version, which is no reason to install it.
func TestTooFewFileDescriptors(t *testing.T) {
	t.Parallel()
	program := exec.CommandContext(harness.Within(t, programLimit), "bash", "-c", `ulimit -n 13; exec "$0"`, os.Args[0])
	program.Dir = t.TempDir()
	program.Env = append(config.Foreign(os.Environ()), harness.AsProgram+"=1", "HTTP_ADDR=127.0.0.1:0")
	said, err := program.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(said), "the limit of open files (ulimit -n) is too low")
}

// A token that is signed with a new secret is of no use to any server, and the folder of the data must not be made for it.
func TestTokenInventsNoSecret(t *testing.T) {
	t.Parallel()
	for _, line := range [][]string{{"token", "--admin"}, {"token", "--json"}} {
		dir := t.TempDir() + "/data"
		said, complained, status := command(t, []string{"DATA_DIR=" + dir}, line...)
		require.Equal(t, 1, status)
		require.Empty(t, said)
		require.Contains(t, complained, "no secret to sign with: no server has run with this DATA_DIR")
		require.NoDirExists(t, dir)
	}
}

// serving starts the program as a process of its own on a database of its own, through bash: its lines are what runs it.
func serving(t *testing.T, line string, settings ...string) (program *exec.Cmd, complaints io.ReadCloser, base string) {
	t.Helper()
	program = exec.CommandContext(harness.Within(t, programLimit), "bash", "-c", line, os.Args[0])
	program.Dir = t.TempDir()
	program.Env = append(append(config.Foreign(os.Environ()), harness.AsProgram+"=1", "GORACE=atexit_sleep_ms=0", "HTTP_ADDR=127.0.0.1:0",
		"DATABASE_URL="+pgtest.New(t), "PAYMENT_PROVIDER=simulator", "AUTH_SECRET="+harness.Secret, "ADMIN_SECRET="+harness.AdminSecret), settings...)
	complaints, err := program.StderrPipe()
	require.NoError(t, err)
	out, err := program.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	t.Cleanup(func() { _ = program.Process.Kill() })
	greeting := bufio.NewScanner(out)
	for greeting.Scan() {
		if strings.Contains(greeting.Text(), "/swagger") {
			return program, complaints, harness.AddressIn(t, greeting.Text())
		}
	}
	text, _ := io.ReadAll(complaints)
	t.Fatalf("the program ended at its start: %s", text)
	return nil, nil, ""
}

// starting starts the program as a process of its own, in an empty folder and with these settings alone. It gives what the
// process prints, line by line, until its end.
func starting(t *testing.T, settings []string, arguments ...string) (program *exec.Cmd, said, complained <-chan string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "start") // open to the user that the embedded database runs as
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	program = exec.CommandContext(harness.Within(t, programLimit), os.Args[0], arguments...)
	program.Dir = dir
	program.Env = append(config.Foreign(os.Environ()), append(settings, harness.AsProgram+"=1", "GORACE=atexit_sleep_ms=0")...)
	lines := func(pipe func() (io.ReadCloser, error)) <-chan string {
		from, err := pipe()
		require.NoError(t, err)
		to := make(chan string, 100)
		go func() {
			defer close(to)
			for scanner := bufio.NewScanner(from); scanner.Scan(); {
				to <- scanner.Text()
			}
		}()
		return to
	}
	said, complained = lines(program.StdoutPipe), lines(program.StderrPipe)
	require.NoError(t, program.Start())
	t.Cleanup(func() { _ = program.Process.Kill() })
	return program, said, complained
}

// prints reads lines up to the first that holds a text.
func prints(t *testing.T, lines <-chan string, text string) string {
	t.Helper()
	var before []string
	for line := range lines {
		if strings.Contains(line, text) {
			return line
		}
		before = append(before, line)
	}
	t.Fatalf("%q is not in %q", text, before)
	return ""
}

// stalled are settings with which the start does not come to its end: initdb does not, or the migrations wait for another process.
var stalled = map[string]func(t *testing.T) []string{
	"initdb": func(t *testing.T) []string {
		bin := t.TempDir()
		for _, name := range []string{"initdb", "postgres"} {
			script := "#!/bin/sh\n[ \"$1\" != --version ] || exec echo '" + name + " (PostgreSQL) 17.0'\nexec sleep 600\n"
			require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755))
		}
		for dir := bin; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			require.NoError(t, os.Chmod(dir, 0o755))
		}
		return []string{"HTTP_ADDR=127.0.0.1:0", "PG_BIN_DIR=" + bin}
	},
	"the migrations": func(t *testing.T) []string {
		url := pgtest.NewEmpty(t)
		other, err := pgx.Connect(t.Context(), pgtest.Direct(t, url))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, other.Close(context.Background())) })
		_, err = other.Exec(t.Context(), "select pg_advisory_lock(x'63617274'::int)")
		require.NoError(t, err)
		return []string{"HTTP_ADDR=127.0.0.1:0", "DATABASE_URL=" + url, "PAYMENT_PROVIDER=simulator", "AUTH_SECRET=" + harness.Secret, "ADMIN_SECRET=" + harness.AdminSecret}
	},
}

// Ctrl-C during the start is no failure.
func TestStoppedBeforeItIsReady(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the program")
	}
	for what, settings := range stalled {
		for _, stop := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
			t.Run(what+", "+stop.String(), func(t *testing.T) {
				t.Parallel()
				program, said, complained := starting(t, settings(t))
				require.Contains(t, prints(t, complained, "still waiting"), what)
				require.NoError(t, program.Process.Signal(stop))
				prints(t, complained, "stopped before it was ready")
				for line := range complained {
					require.NotContains(t, line, "context canceled")
				}
				require.Empty(t, <-said, "the banner")
				require.NoError(t, program.Wait())
			})
		}
	}
	t.Run("demo", func(t *testing.T) {
		t.Parallel()
		program, _, complained := starting(t, nil, "demo", "--base-url=http://"+harness.FreeAddress(t))
		prints(t, complained, "is not ready yet; waiting for up to")
		require.NoError(t, program.Process.Signal(os.Interrupt))
		prints(t, complained, "stopped before the server was ready")
		_, more := <-complained
		require.False(t, more)
		require.NoError(t, program.Wait())
	})
}

// The reader of the log went away, as tee does at Ctrl-C: the program serves on, and drains when it is asked to stop.
func TestLogWithoutReader(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the program")
	}
	program, complaints, base := serving(t, `exec "$0"`, "LOG_LEVEL=debug")
	require.NoError(t, complaints.Close())
	for range 3 {
		response, err := http.Get(base + "/readyz")
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
	require.NoError(t, program.Process.Signal(syscall.SIGTERM))
	require.NoError(t, program.Wait(), "it drains")
}

// A reader of the log that stops reading stops nothing.
func TestLogThatNobodyReads(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the program")
	}
	program, _, base := serving(t, `exec "$0"`, "LOG_LEVEL=debug")
	for range 600 { // a pipe holds 64 KiB
		response, err := http.Get(base + "/healthz")
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	require.NoError(t, program.Process.Signal(syscall.SIGTERM))
	require.NoError(t, program.Wait(), "it drains")
}

// Requests that anybody can send in any number leave a sample in the log, with the number of those that were left out.
func TestFloodsInTheLog(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the program")
	}
	program, complaints, base := serving(t, `exec "$0"`, "LOG_LEVEL=info", "LIMITS=false")
	s := &harness.Site{Base: base}
	began, many := time.Now(), 0
	for ; many < 300 || time.Since(began) < time.Second; many++ { // until a sample follows the first lines
		for _, one := range []struct{ method, path, token string }{
			{http.MethodGet, "/nothing", ""}, {http.MethodGet, "/v1/carts", "no.valid.token"}, {http.MethodPost, "/v1/webhooks/payments/simulator", ""},
		} {
			a := s.Send(t, one.method, one.path, one.token, map[string]any{"event": "forged"})
			require.GreaterOrEqual(t, a.StatusCode, http.StatusBadRequest, one.path)
		}
	}
	most := 3 * (20 + 5*(time.Since(began).Seconds()+1)) // see floodBurst and floodLines
	require.NoError(t, program.Process.Signal(syscall.SIGTERM))
	text, err := io.ReadAll(complaints)
	require.NoError(t, err)
	require.NoError(t, program.Wait())
	lines := strings.Count(string(text), "msg=request")
	require.NotZero(t, lines)
	require.Less(t, float64(lines), most, "of %d requests", 3*many)
	require.Contains(t, string(text), "unwritten=")
}

// A terminal that is closed stops the program as SIGTERM does.
func TestHangUpDrains(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the program")
	}
	caught := make(chan os.Signal, 1) // a program inherits it when SIGHUP is ignored, and not a handler
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	program, complaints, _ := serving(t, `exec "$0"`)
	require.NoError(t, program.Process.Signal(syscall.SIGHUP))
	text, err := io.ReadAll(complaints)
	require.NoError(t, err)
	require.NoError(t, program.Wait())
	require.Contains(t, string(text), "msg=stopped")
}

// A process without file descriptors says why nobody is let in, and goes on when it has some again.
func TestWithoutDescriptors(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the program")
	}
	program, complaints, base := serving(t, `ulimit -n 64; exec "$0"`, "LIMITS=false") // otherwise the limit of connections comes first
	var held []net.Conn
	for range 80 { // they are let in by the system, and not by the program
		conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		require.NoError(t, err)
		held = append(held, conn)
	}
	lines := bufio.NewScanner(complaints)
	said := ""
	for said == "" && lines.Scan() {
		if strings.Contains(lines.Text(), "no connection can be accepted") {
			said = lines.Text()
		}
	}
	require.Contains(t, said, "level=WARN")
	require.Contains(t, said, "limit=64")
	for _, conn := range held {
		require.NoError(t, conn.Close())
	}
	response, err := http.Get(base + "/healthz")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.NoError(t, program.Process.Signal(syscall.SIGTERM))
	_, _ = io.Copy(io.Discard, complaints)
	require.NoError(t, program.Wait())
}
