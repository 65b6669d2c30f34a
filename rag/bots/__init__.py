"""Bots: the service in a chat. They answer in the thread that a question was asked in, or stay silent.

bot        what both chats share: channels and their filters, threads as conversations, when to be silent
markup     an answer in the markup of a chat
slack      Slack, in socket mode
discord    Discord
"""

from rag.bots.bot import Bot

__all__ = ["Bot"]
