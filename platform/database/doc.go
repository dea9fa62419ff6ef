// Package database brings the databases: a private server when none is named, pools, and the tables.
//
//	Start    an embedded PostgreSQL      embedded.go  takes the data directory, and gives it back
//	           binaries.go               finds initdb and postgres on this machine
//	           cluster.go                makes the cluster, whole or not at all
//	           owner.go, process_*.go    who the server runs as; ends what a killed predecessor left
//	           keep.go                   keeps it running, and stops it
//	Migrate  a schema up to date         migrate.go   processes that start together take turns
//	           indexes.go                builds indexes beside running processes
//	Open     connections to a database   pools.go     apart by purpose: write, query, control
//	           limits.go                 no more than PostgreSQL allows
//	           crowd.go                  reads give way when others hold the connections
//
// The server ends with the program, even by kill -9; where the system does not see to that (macOS), the next start does.
// It has no TCP port, and its socket lies in a folder that nobody else can enter.
package database
