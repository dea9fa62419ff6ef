package app

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// listen opens the address of HTTP_ADDR. Its error names the setting and a remedy.
func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("HTTP_ADDR: another program already listens on %s: stop it, or choose another port, such as HTTP_ADDR=%s (%w)",
			address, nextPort(address), err)
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil, fmt.Errorf("HTTP_ADDR: this machine has no address %s (%w)", address, err)
	}
	if errors.Is(err, syscall.EACCES) {
		return nil, fmt.Errorf("HTTP_ADDR: this user may not listen on %s: ports below 1024 need a privilege; choose a higher one, such as HTTP_ADDR=:8080 (%w)",
			address, err)
	}
	if err != nil {
		return nil, fmt.Errorf("HTTP_ADDR: %w", err)
	}
	return listener, nil
}

// nextPort returns the address with the next port.
func nextPort(address string) string {
	host, port, err := net.SplitHostPort(address)
	number, numberErr := strconv.Atoi(port)
	if err != nil || numberErr != nil || number < 1024 || number == 65535 {
		return net.JoinHostPort(host, "8081")
	}
	return net.JoinHostPort(host, strconv.Itoa(number+1))
}
