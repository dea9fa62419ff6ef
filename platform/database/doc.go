// Package database provides the databases: an embedded server when none is named, connection pools, and the tables.
//
//	Start    an embedded PostgreSQL      embedded.go  locks and releases the data directory
//	           binaries.go               finds initdb and postgres on this machine
//	           cluster.go                creates a complete cluster or none
//	           owner.go, process_*.go    choose the server's user; end the processes of a killed predecessor
//	           keep.go                   keeps it running, and stops it
//	Migrate  a schema up to date         migrate.go   processes that start together take turns
//	           indexes.go                builds indexes beside running processes
//	Open     connections to a database   pools.go     one pool each for write, query and control
//	           limits.go                 no more than PostgreSQL allows
//	           crowd.go                  reads yield to writes when others hold the connections
//
// The server ends with the program, even after kill -9. Where the system does not ensure that (macOS), the next start ends it. It
// has no TCP port, and nobody else can enter the folder of its socket.
package database
