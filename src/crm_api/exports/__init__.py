"""The record of exports: who took which records away, as what, when, and how many."""
