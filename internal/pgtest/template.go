//go:build !windows

package pgtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"

	"shopping-cart/migrations"
	"shopping-cart/platform/database"
)

// templateLock is the advisory lock for making a template, "tmpl" in ASCII.
const templateLock = 0x746d706c

// template returns the name of the migrated template database, and makes it if the server has none for these migrations.
// Concurrent test programs wait for the one that makes it.
func (s *testServer) template(ctx context.Context) (string, error) {
	s.templateMutex.Lock()
	defer s.templateMutex.Unlock()
	if s.templateName != "" {
		return s.templateName, nil
	}
	name, err := templateName()
	if err != nil {
		return "", err
	}
	conn, err := s.connect(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // releases the lock too
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", templateLock); err != nil {
		return "", err
	}
	if err := s.makeTemplate(ctx, conn, name); err != nil {
		return "", err
	}
	s.templateName = name
	return name, nil
}

// makeTemplate renames the database last, so that an unfinished one is never copied.
func (s *testServer) makeTemplate(ctx context.Context, conn *pgx.Conn, name string) error {
	var exists bool
	err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&exists)
	if exists || err != nil {
		return err
	}
	growing := name + "_growing"
	for _, sql := range []string{
		"drop database if exists " + quote(growing) + " with (force)",
		"create database " + quote(growing) + " template template0",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	for _, schema := range migrations.Schemas {
		if err := database.Migrate(ctx, s.direct(growing), schema); err != nil {
			return err
		}
	}
	// No more connections: PostgreSQL refuses to copy a database in use.
	_, err = conn.Exec(ctx, "alter database "+quote(growing)+" with allow_connections false")
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "alter database "+quote(growing)+" rename to "+quote(name))
	return errors.Join(err)
}

// templateName returns a name that changes with the migrations.
func templateName() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(migrations.FS, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations.FS, path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text)
		return err
	})
	return strings.ToLower(fmt.Sprintf("shop_template_%.8x", sum.Sum(nil))), err
}
