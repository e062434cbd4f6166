// Package models holds models of Shoal's protocols, as they are built, in the
// language of the model checker spin, which tries every order of their steps and
// a death before each of them. There is no Go here but the test that runs spin.
//
// Each file says at its top which functions it models, what holds, and how it is
// run, in lines that the test reads:
//
//	RUN  name -Dmacros       a configuration in which spin has to find no fault
//	FULL name -Dmacros       another one, for wide and full runs
//	LONG name -Dmacros       another one, for full runs only
//	BUG  name -Dmacros       a fault that the macro name plants: spin has to find it; the
//	                         first few in wide runs, all in full ones
//
// With the word NP behind the macros the search is one for cycles instead: runs
// in which the processes take steps for ever and none gets on.
package models
