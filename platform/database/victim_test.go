package database_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

// victimVariable turns the test program into the victim: a program with an embedded server in the directory of its value.
const victimVariable = "EMBEDDED_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimVariable); dir != "" {
		if err := beVictim(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	pgtest.Main(m)
}

// beVictim serves until Ctrl-C, then drains: it writes once more, like a request in flight, and then stops the server.
func beVictim(dir string) error {
	ctx := context.Background()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	server, err := database.Start(ctx, testConfig(dir))
	if err != nil {
		return err
	}
	fmt.Println("ready", server.URL("shop"))
	<-interrupted
	conn, err := pgx.Connect(ctx, server.URL("shop"))
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "create table drained (n int)"); err != nil {
		return err
	}
	if err := server.Stop(ctx); err != nil {
		return err
	}
	fmt.Println("drained")
	return nil
}

// victim is a running victim.
type victim struct {
	*exec.Cmd
	lines *bufio.Scanner
}

// startVictim runs the test program as victim in dir. It gets a process group, as a shell gives a program its own, and
// ends with the test.
func startVictim(t *testing.T, dir string, as *syscall.Credential) *victim {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	if as != nil {
		program = copyProgram(t, program)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), victimVariable+"="+dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &victim{Cmd: cmd, lines: bufio.NewScanner(out)}
}

// awaitReady returns the URL of the victim's database.
func (v *victim) awaitReady(t *testing.T) string {
	t.Helper()
	require.True(t, v.lines.Scan(), "the victim ended")
	url, ready := strings.CutPrefix(v.lines.Text(), "ready ")
	require.True(t, ready, v.lines.Text())
	return url
}

func (v *victim) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, v.Process.Kill())
	_ = v.Wait()
}

// copyProgram puts the test program where every user can run it.
func copyProgram(t *testing.T, program string) string {
	t.Helper()
	text, err := os.ReadFile(program)
	require.NoError(t, err)
	to := filepath.Join(openDir(t), "victim")
	require.NoError(t, os.WriteFile(to, text, 0o755))
	return to
}

// openDir returns a temporary directory that every user can reach, unlike those of testing.T.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "embedded-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// seed is a cluster to copy: making one takes most of a second.
type seed struct{ from string }

func newSeed(t *testing.T) seed {
	t.Helper()
	dir := openDir(t)
	server := startServer(t, dir)
	require.NoError(t, server.Stop(t.Context()))
	return seed{from: cluster(t, dir)}
}

// dir returns a new data directory with a copy of the cluster.
func (s seed) dir(t *testing.T) string {
	t.Helper()
	dir := openDir(t)
	s.copyTo(t, dir)
	return dir
}

func (s seed) copyTo(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	out, err := exec.Command("cp", "-a", s.from, dir).CombinedOutput()
	require.NoError(t, err, string(out))
}

// testConfig does not sync to the disk: the tests kill only processes, and the system's memory survives them.
func testConfig(dir string) database.EmbeddedConfig {
	return database.EmbeddedConfig{
		Dir: dir, BinDir: os.Getenv("PG_BIN_DIR"), NoSync: true, Params: map[string]string{"fsync": "off"},
	}
}

// startServer starts a server of this process, and stops it when the test ends.
func startServer(t *testing.T, dir string) *database.Embedded {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, err := database.Start(ctx, testConfig(dir))
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	return server
}

func exec1(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

func query1[T any](t *testing.T, url, sql string) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&value))
	return value
}
