package app

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"shopping-cart/platform/config"
)

// Listeners are the opened addresses. Admin is nil without ADMIN_ADDR.
type Listeners struct{ Public, Admin net.Listener }

// listen opens the addresses of the settings.
func listen(settings config.Config) (l Listeners, err error) {
	if l.Public, err = listenOn("HTTP_ADDR", settings.HTTPAddr); err != nil || settings.AdminAddr == "" {
		return l, err
	}
	if l.Admin, err = listenOn("ADMIN_ADDR", settings.AdminAddr); err != nil {
		_ = l.Public.Close()
	}
	return l, err
}

// Close closes both.
func (l Listeners) Close() {
	_ = l.Public.Close()
	if l.Admin != nil {
		_ = l.Admin.Close()
	}
}

// admin returns the listener that serves operators.
func (l Listeners) admin() net.Listener {
	if l.Admin != nil {
		return l.Admin
	}
	return l.Public
}

// listenOn opens the address of a setting. Its error names the setting and a remedy.
func listenOn(setting, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: another program already listens on %s: stop it, or choose another port, such as %s=%s (%w)",
			setting, address, setting, nextPort(address), err)
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil, fmt.Errorf("%s: this machine has no address %s (%w)", setting, address, err)
	}
	if errors.Is(err, syscall.EACCES) {
		return nil, fmt.Errorf("%s: this user may not listen on %s: ports below 1024 need a privilege; choose a higher one, such as %s=:8080 (%w)",
			setting, address, setting, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
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
