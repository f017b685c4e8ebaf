"""The day's draw of calls and chats."""
