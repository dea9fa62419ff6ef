// Package sample is a small API that the generator's test reads.
package sample
