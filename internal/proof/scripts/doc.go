// Package scripts has fuzz tests that play scripts of operations, by a few
// participants that die and come back, and compare every result with a plain
// model. Bytes are decoded to a script; the ordinary tests play the seeds.
package scripts
