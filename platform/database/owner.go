//go:build !windows

package database

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// owner is the user that runs the server and owns its files. PostgreSQL refuses to run as root.
type owner struct {
	account *syscall.Credential // nil: the current user; another one under root
	mapped  bool                // in a user namespace that shows the current user as nobody (Linux)
}

// chooseOwner chooses the user of the server. An existing cluster runs as its owner. A new one runs as the current user; under
// root it runs as postgres, else nobody. A user namespace helps when that user cannot reach the directory, or the current user
// has no name.
func chooseOwner(dir, data string) (owner, error) {
	found, exists := uidOf(data)
	if os.Geteuid() != 0 {
		if exists && int(found) != os.Geteuid() {
			return owner{}, fmt.Errorf("the database in %s belongs to the user with id %d: run as that user, or set DATA_DIR to another directory", data, found)
		}
		_, err := user.LookupId(strconv.Itoa(os.Geteuid()))
		return owner{mapped: err != nil && canMapUsers}, nil
	}
	if exists && found == 0 {
		return owner{mapped: true}, nil
	}
	account, err := serverAccount(found, exists)
	if err != nil {
		return owner{}, err
	}
	if mayEnter(dir, account) {
		return owner{account: account}, nil
	}
	if exists || !canMapUsers {
		return owner{}, errUnreachable(dir, account)
	}
	return owner{mapped: true}, nil
}

func errUnreachable(dir string, account *syscall.Credential) error {
	return fmt.Errorf("PostgreSQL does not run as root, and the user for it, with id %d, cannot reach %s: "+
		"set DATA_DIR to a directory that every user can reach, or run as another user", account.Uid, dir)
}

// serverAccount returns the account for a server that root starts.
func serverAccount(uid uint32, known bool) (*syscall.Credential, error) {
	look := []func() (*user.User, error){
		func() (*user.User, error) { return user.Lookup("postgres") },
		func() (*user.User, error) { return user.Lookup("nobody") },
	}
	if known {
		look = []func() (*user.User, error){func() (*user.User, error) { return user.LookupId(strconv.Itoa(int(uid))) }}
	}
	for _, by := range look {
		u, err := by()
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{uint32(gid)}}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as: run as another user")
}

// mayEnter reports whether account may search dir and all its parents.
func mayEnter(dir string, account *syscall.Credential) bool {
	for {
		s, err := os.Stat(dir)
		if err != nil {
			return false
		}
		is, mode := s.Sys().(*syscall.Stat_t), s.Mode().Perm()
		var search fs.FileMode = 0o001
		if is.Uid == account.Uid {
			search = 0o100
		} else if is.Gid == account.Gid {
			search = 0o010
		}
		if mode&search == 0 {
			return false
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		return true
	}
}

// makeDir creates a directory that only the owner can enter, or makes an existing one such a directory.
func (o owner) makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	s, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	uid := s.Sys().(*syscall.Stat_t).Uid
	ours := int(uid) == os.Geteuid() || o.account != nil && uid == o.account.Uid
	if !s.IsDir() || !ours {
		return fmt.Errorf("%s exists and is not a directory of this user", dir)
	}
	if err := os.Chmod(dir, 0o700); err != nil { // #nosec G302 -- a directory
		return err
	}
	if o.account != nil {
		return os.Chown(dir, int(o.account.Uid), int(o.account.Gid))
	}
	return nil
}

// explain adds the remedy to an error of starting a program as this owner.
func (o owner) explain(err error) error {
	if o.mapped && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOSPC)) {
		return fmt.Errorf("%w: this system allows no user namespaces; run as a user that has a name and is not root, "+
			"or set DATA_DIR to a directory that every user can reach", err)
	}
	return err
}

func uidOf(path string) (uid uint32, exists bool) {
	s, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	return s.Sys().(*syscall.Stat_t).Uid, true
}
