package app

import (
	"log/slog"
	"os"

	"shopping-cart/platform/config"
)

// logLevel returns the lowest logged level.
func logLevel(settings config.Config) slog.Level {
	if settings.LogLevel != nil {
		return *settings.LogLevel
	}
	return slog.LevelInfo
}

// requestLevel returns the level of request lines. At a terminal without an explicit level they are debug lines, so that they do
// not hide the program's own messages. Files and collectors get all of them.
func requestLevel(settings config.Config, terminal bool) slog.Level {
	if terminal && settings.LogLevel == nil {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
