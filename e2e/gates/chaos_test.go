package gates

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/chaos"
)

var chaosCheckouts = flag.Int("chaos-checkouts", 0, "how many checkouts TestChaos has, at the pace of the command; 0: some hundred in a storm")

// TestChaos runs the command that ships, as anyone would run it. It finds nothing: everything has come to an end, the money is
// right to the penny, and whatever anybody was told is still true.
//
//	go test ./e2e/gates -run TestChaos -timeout 60m -chaos-checkouts 10000 -v
func TestChaos(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a PostgreSQL and three replicas")
	}
	checkouts, pace := 200, []string{"--calm", "1s"}
	if *chaosCheckouts > 0 {
		checkouts, pace = *chaosCheckouts, nil
	}
	cmd, said, complained := disorderly(t, append(pace, "--seed", strconv.FormatUint(harness.SeedOf(t)%1_000_000+1, 10), "--minutes", "0",
		"--checkouts", strconv.Itoa(checkouts), "--shoppers", "64", "--json")...)
	err := cmd.Run()
	t.Log(complained.String())
	var report chaos.Report
	require.NoError(t, json.Unmarshal(said.Bytes(), &report), "%v", err)
	t.Logf("%d checkouts in %s: %v", report.Checkouts, report.Took, report.Counts)

	require.NoError(t, err, "%v %v", report.Found, report.Verified.Found)
	require.True(t, report.Kept())
	require.GreaterOrEqual(t, report.Checkouts, int64(checkouts))
	require.Zero(t, report.Unknown)
	require.GreaterOrEqual(t, report.Verified.Checked["checkouts"], checkouts)
	for _, m := range report.Money {
		require.Positive(t, m.Kept.Amount)
		require.Equal(t, m.Orders, m.Kept)
	}
	disturbed := report.Counts["disturbances"]
	require.Positive(t, disturbed["replica killed"])
	require.Positive(t, disturbed["replica frozen for a moment"]+disturbed["replica frozen until others took over"])
	require.Positive(t, disturbed["PostgreSQL crashed"]+disturbed["PostgreSQL stopped"])
	for _, end := range []string{"completed", "cancelled", "failed payment_declined"} {
		require.Positive(t, report.Counts["checkouts"][end], end)
	}
}

// disorderly is the command in a folder without settings.
func disorderly(t *testing.T, arguments ...string) (cmd *exec.Cmd, said, complained *bytes.Buffer) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	said, complained = &bytes.Buffer{}, &bytes.Buffer{}
	cmd = exec.CommandContext(t.Context(), program, append([]string{"chaos"}, arguments...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it has children
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), said, complained
	cmd.Env = append(os.Environ(), harness.AsProgram+"=1", "TMPDIR="+t.TempDir(), "GORACE=atexit_sleep_ms=0")
	return cmd, said, complained
}
