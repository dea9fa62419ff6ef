package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/config"
)

// command runs the program as a process of its own, in an empty folder and with these settings alone.
func command(t *testing.T, settings []string, arguments ...string) (said, complained string, status int) {
	t.Helper()
	var out, complaint bytes.Buffer
	program := exec.CommandContext(t.Context(), os.Args[0], arguments...)
	program.Dir, program.Stdout, program.Stderr = t.TempDir(), &out, &complaint
	program.Env = append(config.Foreign(os.Environ()), append(settings, asProgram+"=1", "GORACE=atexit_sleep_ms=0")...)
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
	require.Contains(t, complained, "HTTP_ADDR: another program listens on "+address+" already: stop it, or choose another port, such as HTTP_ADDR="+nextPort(address))
}

// A token that is signed with a new secret is of no use to any server, and the folder of the data must not be made for it.
func TestTokenInventsNoSecret(t *testing.T) {
	t.Parallel()
	for _, line := range [][]string{{"token", "--admin"}, {"token", "--json"}} {
		dir := t.TempDir() + "/data"
		said, complained, status := command(t, []string{"DATA_DIR=" + dir}, line...)
		require.Equal(t, 1, status)
		require.Empty(t, said)
		require.Contains(t, complained, "there is no secret to sign with: no server has run with this DATA_DIR")
		require.NoDirExists(t, dir)
	}
}
