"""The pages that people read: answers, documents, what operators see, and the widget for other sites."""
