//go:build !linux

package database_test

const serverDiesWithProgram = false
