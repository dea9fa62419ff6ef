package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Request is a request that a client sends repeatedly. In Path and Body, {id} is replaced by one of the job's ids and {n} by a
// changing number from 1 to 9999. In Header, {key} is replaced by a fresh UUID.
type Request struct {
	Method, Path, Body string
	Header             map[string]string
	Status             int // the required status
}

// Job is the work of a client process for one measurement.
type Job struct {
	Address string
	Request Request
	IDs     []string
	Once    bool // each id once, in order; otherwise in a cycle
	Callers int
	For     time.Duration
}

// report is a client's result of a job.
type report struct {
	Sample
	Error string
}

// Client is a separate process that sends requests, so that its work is not counted as the server's.
type Client struct {
	cmd  *exec.Cmd
	jobs io.WriteCloser
	in   *json.Encoder
	out  *json.Decoder
}

// StartClient starts this program again, with the arguments of ClientCommand.
func StartClient(ctx context.Context, arguments ...string) (*Client, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startClient(exec.CommandContext(ctx, self, arguments...))
}

// startClient starts a program that reads jobs from standard input and writes a report for each.
func startClient(cmd *exec.Cmd) (*Client, error) {
	cmd.Stderr = os.Stderr
	jobs, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	reports, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the client: %w", err)
	}
	return &Client{cmd: cmd, jobs: jobs, in: json.NewEncoder(jobs), out: json.NewDecoder(reports)}, nil
}

// Do has the client run a job.
func (c *Client) Do(j Job) (Sample, error) {
	if err := c.in.Encode(j); err != nil {
		return Sample{}, fmt.Errorf("hand a job to the client: %w", err)
	}
	var r report
	if err := c.out.Decode(&r); err != nil {
		return Sample{}, fmt.Errorf("the client does not answer: %w", err)
	}
	if r.Error != "" {
		return Sample{}, errors.New(r.Error)
	}
	return r.Sample, nil
}

// Stop ends the process.
func (c *Client) Stop() error { return errors.Join(c.jobs.Close(), c.cmd.Wait()) }

// ClientCommand is the command of the client process.
type ClientCommand struct{}

// Run runs the jobs from standard input until there are no more.
func (ClientCommand) Run(ctx context.Context, reports io.Writer) error {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(reports)
	for {
		var j Job
		if err := in.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		before := ownTime()
		s, err := j.do(ctx)
		s.ClientCPU = ownTime() - before
		r := report{Sample: s}
		if err != nil {
			r.Error = err.Error()
		}
		if err := out.Encode(r); err != nil {
			return err
		}
	}
}

// do runs the job's callers, with a connection each.
func (j Job) do(ctx context.Context) (Sample, error) {
	idle := make(chan *connection, j.Callers)
	for range j.Callers {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", j.Address)
		if err != nil {
			return Sample{}, err
		}
		defer conn.Close()
		idle <- &connection{conn: conn, reader: bufio.NewReader(conn)}
	}
	var next atomic.Int64
	return Drive(ctx, j.Callers, j.For, func(_ context.Context, n int64) error {
		i := next.Add(1) - 1
		if j.Once && i >= int64(len(j.IDs)) {
			return ErrSpent
		}
		c := <-idle // there is one per caller
		defer func() { idle <- c }()
		return c.send(j, j.IDs[i%int64(len(j.IDs))], n)
	})
}

// connection is a simple HTTP connection. It does not use package client, whose processor time would be missing from the server.
type connection struct {
	conn   net.Conn
	reader *bufio.Reader
	buffer bytes.Buffer
}

func (c *connection) send(j Job, id string, n int64) error {
	fill := strings.NewReplacer("{id}", id, "{n}", strconv.FormatInt(1+n%9999, 10))
	body := fill.Replace(j.Request.Body)
	b := &c.buffer
	b.Reset()
	fmt.Fprintf(b, "%s %s HTTP/1.1\r\nHost: %s\r\n", j.Request.Method, fill.Replace(j.Request.Path), j.Address)
	for name, value := range j.Request.Header {
		if value == "{key}" {
			value = uuid.NewString()
		}
		fmt.Fprintf(b, "%s: %s\r\n", name, value)
	}
	if body != "" {
		fmt.Fprintf(b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.WriteString(body)
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != j.Request.Status {
		err = fmt.Errorf("%s %s: %s: %s", j.Request.Method, j.Request.Path, response.Status, answer)
	}
	return err
}
